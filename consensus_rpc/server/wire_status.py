"""Errors of the contract as `google.rpc.Status` on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

from consensus_contract.errors import ConsensusError, FieldViolation, QuotaViolation
from consensus_contract.spans import duration
from consensus_rpc.channel.status import DETAILS_KEY, DOMAIN
from consensus_rpc.errors import Overloaded
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY

PUSHBACK_KEY = "grpc-retry-pushback-ms"

# gRPC drops trailers above 8 KiB at random and all above 16 KiB. The status travels in base64 beside its
# message, which is percent-encoded: these bounds keep the sum below 8 KiB and the details below 4.
MAX_STATUS_BYTES = 3584
_MAX_MESSAGE_BYTES = 512
_MAX_TEXT_BYTES = 300

Trailers = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class WireStatus:
    """What a call ends with: code, message for people, and trailing metadata."""

    code: grpc.StatusCode
    message: str
    trailers: Trailers


def to_wire(error: ConsensusError, request_id: str) -> WireStatus:
    """The status of an error: ErrorInfo, and BadRequest, QuotaFailure, RetryInfo where it has them."""
    status = to_status(error, request_id)
    trailers: list[tuple[str, str | bytes]] = [
        (DETAILS_KEY, status.SerializeToString()),
        (REQUEST_ID_KEY, request_id),
    ]
    if isinstance(error, Overloaded) and error.retry_after_seconds is not None:
        trailers.append((PUSHBACK_KEY, str(round(error.retry_after_seconds * 1000))))
    return WireStatus(error.status_code, status.message, tuple(trailers))


def to_status(error: ConsensusError, request_id: str) -> status_pb2.Status:
    """The error as `google.rpc.Status`, below MAX_STATUS_BYTES; its message counts what is left out."""
    status = status_pb2.Status(code=error.status_code.value[0])
    status.details.add().Pack(_error_info(error, request_id))
    if error.retry_after_seconds is not None:
        status.details.add().Pack(
            error_details_pb2.RetryInfo(retry_delay=duration(error.retry_after_seconds))
        )
    if error.quota:
        status.details.add().Pack(_quota_failure(error.quota))
    text = cut(error.message, _MAX_MESSAGE_BYTES)
    status.message = text
    left_out = _add_bad_request(status, error.field_violations)
    if left_out:
        status.message = f"{text} ({left_out} field violations left out)"
    return status


def _error_info(error: ConsensusError, request_id: str) -> error_details_pb2.ErrorInfo:
    """ErrorInfo with the request id; keys that do not fit into half of the room are left out from the end."""
    info = error_details_pb2.ErrorInfo(reason=error.reason_name, domain=DOMAIN)
    info.metadata["request_id"] = request_id
    room = MAX_STATUS_BYTES // 2
    for key, value in error.metadata.items():
        if key == "request_id":  # that of a hop further on
            continue
        kept = cut(value, _MAX_TEXT_BYTES)
        room -= len(key) + len(kept.encode()) + 8
        if room < 0:
            break
        info.metadata[key] = kept
    return info


def _quota_failure(quota: Sequence[QuotaViolation]) -> error_details_pb2.QuotaFailure:
    violations = [
        error_details_pb2.QuotaFailure.Violation(
            subject=cut(each.subject, 100), description=cut(each.description, 100)
        )
        for each in quota[:3]
    ]
    return error_details_pb2.QuotaFailure(violations=violations)


def _add_bad_request(status: status_pb2.Status, violations: Sequence[FieldViolation]) -> int:
    """Adds as many violations as fit; returns how many do not."""
    if not violations:
        return 0
    bad = error_details_pb2.BadRequest()
    room = (
        MAX_STATUS_BYTES - status.ByteSize() - 160
    )  # the envelope of the detail, and the count in the message
    for violation in violations:
        one = error_details_pb2.BadRequest.FieldViolation(
            field=cut(violation.field, _MAX_TEXT_BYTES),
            description=cut(violation.description, _MAX_TEXT_BYTES),
            reason=cut(violation.reason, 63),
        )
        room -= one.ByteSize() + 4
        if room < 0:
            break
        bad.field_violations.append(one)
    status.details.add().Pack(bad)
    return len(violations) - len(bad.field_violations)


def cut(text: str, limit_bytes: int) -> str:
    """The text in at most that many bytes of UTF-8, ended by an ellipsis if cut; surrogates replaced."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit_bytes:
        return raw.decode()
    return raw[: limit_bytes - 3].decode("utf-8", "ignore") + "…"
