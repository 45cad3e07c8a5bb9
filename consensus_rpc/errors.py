"""Errors about one call, whatever it asks for: what it said, who made it, what stood in its way.

Each has its reason in the contract; what a call may be about has its errors in `consensus_contract`.
"""
# ruff: noqa: N818 - the names are those of the reasons in the contract

from collections.abc import Sequence

import grpc

from consensus_contract.errors.base import ConsensusError, ErrorReason, FieldViolation, QuotaViolation


class InvalidField(ConsensusError):
    """One or more fields break a rule of the contract."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = ErrorReason.ERROR_REASON_INVALID_FIELD

    def __init__(
        self,
        *,
        field: str | None = None,
        description: str = "",
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        """Takes either `field` with `description` (the limit and the size sent), or all `violations`."""
        if field is not None:
            violations = (FieldViolation(field, description), *violations)
        super().__init__(_summary(violations), field_violations=violations)


def _summary(violations: Sequence[FieldViolation]) -> str:
    if not violations:
        return "the request breaks a rule of the contract"
    first = violations[0]
    text = f"{first.field}: {first.description}" if first.field else first.description
    return text if len(violations) == 1 else f"{text}; {len(violations) - 1} more"


class InvalidPageToken(ConsensusError):
    """A page token is malformed, forged, or belongs to another tenant or filter."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = ErrorReason.ERROR_REASON_INVALID_PAGE_TOKEN

    def __init__(self, *, field: str = "page_token") -> None:
        text = "is not a token of this list with this filter; start again without one"
        super().__init__(f"{field}: {text}", field_violations=(FieldViolation(field, text),))


class PermissionDenied(ConsensusError):
    """The caller may not use this method."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_PERMISSION_DENIED

    def __init__(self, *, method: str) -> None:
        """Names the method, such as `consensus.v1.ReviewService/GetRun`."""
        super().__init__(f"the caller may not use {method}", metadata={"method": method})


class Unauthenticated(ConsensusError):
    """No credentials, or none that are valid."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = ErrorReason.ERROR_REASON_UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("no valid credentials")


class UserNotAllowed(ConsensusError):
    """The credential may not act for the user whom the request names, or it names none where it must."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_USER_NOT_ALLOWED

    def __init__(self, *, field: str) -> None:
        super().__init__(f"{field}: the credential may not act for this user", metadata={"field": field})


class CredentialEnded(ConsensusError):
    """The credential was valid and is no more."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = ErrorReason.ERROR_REASON_CREDENTIAL_ENDED

    def __init__(self) -> None:
        super().__init__("the credential has expired or was revoked")


class CredentialExposed(ConsensusError):
    """A credential came over a connection that anybody on the way can read."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = ErrorReason.ERROR_REASON_CREDENTIAL_EXPOSED

    def __init__(self) -> None:
        super().__init__("credentials are taken over TLS alone: make another, this one was sent in the clear")


class IssuerUnavailable(ConsensusError):
    """Who signs the caller's token cannot be asked for its keys."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_ISSUER_UNAVAILABLE
    default_retry_after_seconds = 5.0

    def __init__(self) -> None:
        super().__init__("the issuer's keys cannot be fetched")


class Overloaded(ConsensusError):
    """Too many runs or calls are in flight; nothing was executed, so that no key is needed to ask again."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_OVERLOADED
    default_retry_after_seconds = 1.0

    def __init__(self, *, subject: str, limit: int, retry_after_seconds: float | None = None) -> None:
        """Names what is counted, such as `runs in flight`, and its limit."""
        super().__init__(
            f"too many {subject}: the limit is {limit}",
            metadata={"limit": str(limit)},
            retry_after_seconds=retry_after_seconds,
            quota=(QuotaViolation(subject, f"at most {limit}"),),
        )


class SlowConsumer(ConsensusError):
    """The reader of a stream took nothing for too long; another goes on after `last_sequence`, if any."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_SLOW_CONSUMER
    default_retry_after_seconds = 1.0

    def __init__(
        self, *, last_sequence: int | None = None, run_id: str | None = None, draft_id: str | None = None
    ) -> None:
        subject = {"run_id": run_id, "draft_id": draft_id, "last_sequence": last_sequence}
        where = "" if last_sequence is None else f"; reconnect after sequence {last_sequence}"
        super().__init__(
            f"the reader took nothing for too long{where}",
            metadata={name: str(value) for name, value in subject.items() if value is not None},
        )


class MessageTooLarge(ConsensusError):
    """A message is larger than the server takes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_MESSAGE_TOO_LARGE

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(
            f"a message is larger than {limit_bytes} bytes", metadata={"limit_bytes": str(limit_bytes)}
        )


class CallDeadlineExceeded(ConsensusError):
    """The caller's deadline passed, or too little of it was left to begin; `message` tells of another one."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = ErrorReason.ERROR_REASON_CALL_DEADLINE_EXCEEDED

    def __init__(self, message: str = "", *, run_id: str | None = None) -> None:
        super().__init__(
            message or "the call's deadline passed, or too little of it was left to begin",
            metadata={} if run_id is None else {"run_id": run_id},
        )


class ShuttingDown(ConsensusError):
    """The server is draining; another replica answers at once. What was under way may have had its effect."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_SHUTTING_DOWN
    default_retry_after_seconds = 1.0

    def __init__(self, *, retry_after_seconds: float | None = None) -> None:
        super().__init__("the server is shutting down", retry_after_seconds=retry_after_seconds)


class UnclassifiedError(ConsensusError):
    """An answer that this release has no class for: see `status_code` and `reason_name`.

    Raised for reasons of a newer server and for statuses without a reason; never sent.
    """

    code = grpc.StatusCode.UNKNOWN
    reason = ErrorReason.ERROR_REASON_UNSPECIFIED


class ServerUnreachable(UnclassifiedError):
    """The server cannot be reached, or the connection broke; never sent."""

    code = grpc.StatusCode.UNAVAILABLE
    default_retry_after_seconds = 1.0


class CallCut(UnclassifiedError):
    """The call ended on the way, without the service's word: the connection was reset, or a proxy ended it.

    Whether it had its effect is not known. Never sent.
    """

    code = grpc.StatusCode.CANCELLED
    default_retry_after_seconds = 1.0


class CallCancelled(UnclassifiedError):
    """The call (not a run) was cancelled by the caller's own side; never sent."""

    code = grpc.StatusCode.CANCELLED
