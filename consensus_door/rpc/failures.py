"""Failed calls in Connect's words: code, message, and every detail that the service gave."""

from typing import Any

import grpc
from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from google.protobuf import any_pb2, json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from protobuf import message_from_json_value
from protobuf.wkt import Any as AnyDetail
from protobuf.wkt import Struct

from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.status import DETAILS_KEY
from consensus_rpc.server.wire_status import to_status
from consensus_rpc.telemetry.request_id import current_request_id

_KINDS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.QuotaFailure,
    )
}
_UNREACHABLE = "the service cannot be reached, or the connection to it broke"


class ReadableDetail(ErrorDetail):
    """A detail whose JSON also stands beside its bytes, under `debug`, for who reads an answer of curl."""

    def __init__(self, detail: any_pb2.Any) -> None:
        super().__init__(AnyDetail(type_url=detail.type_url, value=detail.value))
        self._readable = _readable(detail)

    def value(self, *_: Any) -> Any:
        """What connectrpc shows under `debug`."""
        return self._readable


def of_error(error: ConsensusError) -> ConnectError:
    """What the door itself refuses a call with."""
    status = to_status(error, current_request_id() or "")
    return _connect_error(error.status_code, status.message, status)


def of_rpc(error: grpc.aio.AioRpcError) -> ConnectError:
    """What a service ended a call with, its details untouched; without any it is the connection's word.

    Such a word names addresses of the services, which are nobody's business.
    """
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status()
    raw = trailers.get(DETAILS_KEY)
    if isinstance(raw, bytes):
        try:
            status.ParseFromString(raw)
        except DecodeError:
            status.Clear()
    message = status.message if status.details else _of_connection(error)
    return _connect_error(error.code(), message, status)


def _of_connection(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return _UNREACHABLE
    return error.code().name.lower().replace("_", " ")


def _connect_error(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> ConnectError:
    name = "CANCELED" if code is grpc.StatusCode.CANCELLED else code.name
    return ConnectError(Code[name], message, [ReadableDetail(each) for each in status.details])


def _readable(detail: any_pb2.Any) -> Struct | None:
    kind = _KINDS.get(detail.type_url.rpartition("/")[2])
    if kind is None:
        return None
    try:
        told = json_format.MessageToDict(kind.FromString(detail.value))
        return message_from_json_value(Struct, told)
    except (DecodeError, ValueError):
        return None
