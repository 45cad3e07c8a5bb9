"""Failed calls as errors of the contract: the same class again that the server raised."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from consensus_contract.errors import (
    CLASS_BY_REASON,
    ConsensusError,
    FieldViolation,
    QuotaViolation,
    reason_number,
)
from consensus_rpc.errors import (
    CallCancelled,
    CallCut,
    CallDeadlineExceeded,
    MessageTooLarge,
    ServerUnreachable,
    UnclassifiedError,
)
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY

DOMAIN = "consensus.v1"
DETAILS_KEY = "grpc-status-details-bin"

Detail = TypeVar("Detail", bound=Message)

_TOO_LARGE = re.compile(r"message larger than max \(\d+ vs\. (\d+)\)")

# What gRPC itself or a proxy answers, without a reason; every other bare code stays an UnclassifiedError.
# A connection that breaks may end its calls with any of those of CallCut.
_CLASS_BY_BARE_CODE: Mapping[grpc.StatusCode, type[ConsensusError]] = {
    grpc.StatusCode.UNAVAILABLE: ServerUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: CallDeadlineExceeded,
    grpc.StatusCode.CANCELLED: CallCut,
    grpc.StatusCode.INTERNAL: CallCut,
    grpc.StatusCode.RESOURCE_EXHAUSTED: CallCut,
    grpc.StatusCode.UNKNOWN: CallCut,
}

# How gRPC tells a call that its own side cancelled, or whose channel it closed, from one that was reset.
_CANCELLED_HERE = re.compile(r"locally cancelled|channel closed", re.IGNORECASE)


@contextmanager
def contract_errors() -> Iterator[None]:
    """Turns calls that fail inside the block into errors of the contract."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error


def error_from_rpc(error: grpc.RpcError) -> ConsensusError:
    """The error that a failed call stands for: the class of its reason, or of its bare status.

    Takes `grpc.aio.AioRpcError` and what synchronous stubs raise. A reason of a newer server becomes an
    `UnclassifiedError` that keeps code, name, message and details.
    """
    code: grpc.StatusCode = _read(error, "code") or grpc.StatusCode.UNKNOWN
    trailers = {str(key): value for key, value in _read(error, "trailing_metadata") or ()}
    status = _decoded(trailers.get(DETAILS_KEY))
    if status is not None:
        return error_from_status(code, status)
    request_id = trailers.get(REQUEST_ID_KEY)
    return _from_bare(
        code, _read(error, "details") or "", {"request_id": str(request_id)} if request_id else {}
    )


def error_from_status(code: grpc.StatusCode, status: status_pb2.Status) -> ConsensusError:
    """The error that a `google.rpc.Status` stands for; details of other kinds are passed over."""
    info = _detail(status, error_details_pb2.ErrorInfo)
    if info is None or info.domain != DOMAIN:
        return _from_bare(code, status.message, {})
    retry = _detail(status, error_details_pb2.RetryInfo)
    bad = _detail(status, error_details_pb2.BadRequest) or error_details_pb2.BadRequest()
    quota = _detail(status, error_details_pb2.QuotaFailure) or error_details_pb2.QuotaFailure()
    reason = reason_number(info.reason)
    kind = CLASS_BY_REASON.get(reason, UnclassifiedError) if reason is not None else UnclassifiedError
    return kind.rebuilt(
        status.message,
        metadata=dict(info.metadata),
        retry_after_seconds=None if retry is None else retry.retry_delay.ToTimedelta().total_seconds(),
        field_violations=[FieldViolation(v.field, v.description, v.reason) for v in bad.field_violations],
        quota=[QuotaViolation(v.subject, v.description) for v in quota.violations],
        status_code=code,
        reason_name=info.reason,
    )


def _from_bare(code: grpc.StatusCode, text: str, metadata: dict[str, str]) -> ConsensusError:
    """The error of a status without ErrorInfo: it has no reason, but the caller's own deadline and limits."""
    kind = _CLASS_BY_BARE_CODE.get(code, UnclassifiedError)
    too_large = _TOO_LARGE.search(text) if code is grpc.StatusCode.RESOURCE_EXHAUSTED else None
    if too_large is not None:
        kind, metadata = MessageTooLarge, metadata | {"limit_bytes": too_large[1]}
    elif code is grpc.StatusCode.CANCELLED and _CANCELLED_HERE.search(text):
        kind = CallCancelled
    return kind.rebuilt(
        text or code.name,
        metadata=metadata,
        retry_after_seconds=kind.default_retry_after_seconds,
        status_code=code,
    )


def _read(error: grpc.RpcError, name: str) -> Any:
    method = getattr(error, name, None)  # a plain RpcError has none of them
    return method() if callable(method) else None


def _decoded(raw: object) -> status_pb2.Status | None:
    if not isinstance(raw, bytes):
        return None
    try:
        return status_pb2.Status.FromString(raw)
    except DecodeError:
        return None


def _detail(status: status_pb2.Status, kind: type[Detail]) -> Detail | None:
    for detail in status.details:
        if detail.Is(kind.DESCRIPTOR):
            found = kind()
            return found if detail.Unpack(found) else None
    return None
