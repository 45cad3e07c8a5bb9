"""Errors about one call: what it asked for, who asked, and what stood in its way."""
# ruff: noqa: N818 - the names are those of the reasons in the contract

from collections.abc import Sequence

import grpc

from consensus_rpc.errors.base import ConsensusError, ErrorReason, FieldViolation, QuotaViolation


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
        """Names the field that held the token."""
        text = "is not a token of this list with this filter; start again without one"
        super().__init__(f"{field}: {text}", field_violations=(FieldViolation(field, text),))


class RunNotFound(ConsensusError):
    """No such run for this tenant; deleted runs and other tenants' look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_RUN_NOT_FOUND

    def __init__(self, *, run_id: str) -> None:
        """Names the run."""
        super().__init__(f"run {run_id} was not found", metadata={"run_id": run_id})


class MetricNotFound(ConsensusError):
    """No such metric for this tenant; deleted and foreign metrics look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_METRIC_NOT_FOUND

    def __init__(self, *, metric_id: str) -> None:
        """Names the metric."""
        super().__init__(f"metric {metric_id} was not found", metadata={"metric_id": metric_id})


class DuplicateId(ConsensusError):
    """The id that the caller chose is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = ErrorReason.ERROR_REASON_DUPLICATE_ID

    def __init__(self, *, resource: str) -> None:
        """Names what exists already, such as `drafts/7`."""
        super().__init__(f"{resource} exists already", metadata={"resource": resource})


class IdempotencyKeyReused(ConsensusError):
    """The idempotency key was used with another request; nothing was written."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_IDEMPOTENCY_KEY_REUSED

    def __init__(self, *, idempotency_key: str, run_id: str | None = None) -> None:
        """Names the key and, if known, the run that it belongs to."""
        metadata = {"idempotency_key": idempotency_key}
        if run_id is not None:
            metadata["run_id"] = run_id
        super().__init__(
            "the idempotency key was used with another request; nothing was written", metadata=metadata
        )


class IllegalState(ConsensusError):
    """The run is in a state that does not allow the operation."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_ILLEGAL_STATE

    MAX_RUNS = 20

    def __init__(self, *, run_id: str, state: str, operation: str, run_ids: Sequence[str] = ()) -> None:
        """Names the run, its state such as `COMPLETED`, and the operation such as `cancel`.

        `run_ids`: all that are in the way, where there are several.
        """
        metadata = {"run_id": run_id, "state": state, "operation": operation}
        others = ""
        if len(run_ids) > 1:
            metadata["run_ids"] = ",".join(run_ids[: self.MAX_RUNS])
            others = f", and {len(run_ids) - 1} more are in the way"
        super().__init__(f"cannot {operation} run {run_id}: it is {state}{others}", metadata=metadata)


class LeaseLost(ConsensusError):
    """The write carried an outdated fencing token; nothing was written. Between the services only."""

    code = grpc.StatusCode.ABORTED
    reason = ErrorReason.ERROR_REASON_LEASE_LOST

    def __init__(self, *, run_id: str) -> None:
        """Names the run."""
        super().__init__(
            f"the lease on run {run_id} is lost; nothing was written", metadata={"run_id": run_id}
        )


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
        """Says no more than that."""
        super().__init__("no valid credentials")


class Overloaded(ConsensusError):
    """Too many runs or calls are in flight; nothing was written and no model was called."""

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
    """The reader of a stream took nothing for too long; it may reconnect after `last_sequence`."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_SLOW_CONSUMER

    def __init__(self, *, last_sequence: int, run_id: str | None = None, draft_id: str | None = None) -> None:
        """Names the run or the draft, and the last sequence that was sent."""
        subject = {"run_id": run_id, "draft_id": draft_id}
        super().__init__(
            f"the reader took nothing for too long; reconnect after sequence {last_sequence}",
            metadata={
                **{name: value for name, value in subject.items() if value is not None},
                "last_sequence": str(last_sequence),
            },
        )


class MessageTooLarge(ConsensusError):
    """A message is larger than the server takes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_MESSAGE_TOO_LARGE

    def __init__(self, *, limit_bytes: int) -> None:
        """Names the limit."""
        super().__init__(
            f"a message is larger than {limit_bytes} bytes", metadata={"limit_bytes": str(limit_bytes)}
        )


class CallDeadlineExceeded(ConsensusError):
    """The caller's deadline passed, or too little of it was left to begin."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = ErrorReason.ERROR_REASON_CALL_DEADLINE_EXCEEDED

    def __init__(self, *, run_id: str | None = None) -> None:
        """Names the run, if one is going on."""
        super().__init__(
            "the call's deadline passed, or too little of it was left to begin",
            metadata={} if run_id is None else {"run_id": run_id},
        )
