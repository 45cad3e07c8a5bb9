"""Errors about a service and what stands behind it; INTERNAL may be a run's end too."""
# ruff: noqa: N818 - the names are those of the reasons in the contract

import grpc

from consensus_contract.errors.base import ConsensusError, ErrorReason


class DatabaseUnavailable(ConsensusError):
    """The database cannot be reached or did not answer in time; what was not acknowledged may be written."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_DATABASE_UNAVAILABLE
    default_retry_after_seconds = 1.0

    def __init__(self, *, retry_after_seconds: float | None = None) -> None:
        super().__init__("the database is unavailable", retry_after_seconds=retry_after_seconds)


class LockTimeout(ConsensusError):
    """A row, such as `runs/7`, stayed locked through all tries."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_LOCK_TIMEOUT
    default_retry_after_seconds = 0.5

    def __init__(self, *, resource: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(
            f"{resource} stayed locked through all tries",
            metadata={"resource": resource},
            retry_after_seconds=retry_after_seconds,
        )


class PersistenceUnavailable(ConsensusError):
    """The persistence service does not answer for now; what was not acknowledged may be written."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_PERSISTENCE_UNAVAILABLE
    default_retry_after_seconds = 1.0

    def __init__(self, *, retry_after_seconds: float | None = None) -> None:
        super().__init__("the persistence service is unavailable", retry_after_seconds=retry_after_seconds)


class TenantFrozen(ConsensusError):
    """The tenant is being moved: it is read, and nothing of it is changed; nothing was written."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_TENANT_FROZEN
    default_retry_after_seconds = 1.0

    def __init__(self, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(
            "the tenant is being moved to another persistence service, and is not changed meanwhile",
            retry_after_seconds=retry_after_seconds,
        )


class TenantElsewhere(ConsensusError):
    """The tenant was moved away, or has come and is not open yet; nothing was written."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_TENANT_ELSEWHERE
    default_retry_after_seconds = 1.0

    def __init__(self, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(
            "the tenant is served by another persistence service", retry_after_seconds=retry_after_seconds
        )


class AuditCheckpointsOff(ConsensusError):
    """The service has no key to sign checkpoints with, or no file to keep them in."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_AUDIT_CHECKPOINTS_OFF

    def __init__(self) -> None:
        super().__init__(
            "audit checkpoints are off: set AUDIT_SIGNING_KEY and AUDIT_CHECKPOINT_FILE of the service"
        )


class ContentKeysUnusable(ConsensusError):
    """The operator's keys of content cannot be used; nothing was changed."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_CONTENT_KEYS_UNUSABLE

    def __init__(self, *, cause: str = "") -> None:
        super().__init__(f"the keys of content cannot be used: {cause}".rstrip(": "))


class DatabaseError(ConsensusError):
    """The database refused a statement for an unexpected reason; its text stands in the log only."""

    code = grpc.StatusCode.INTERNAL
    reason = ErrorReason.ERROR_REASON_DATABASE_ERROR

    def __init__(self) -> None:
        super().__init__("the database refused a statement; the server's log has the cause")


class InternalError(ConsensusError):
    """An unexpected failure; its text stands in the log under the request id."""

    code = grpc.StatusCode.INTERNAL
    reason = ErrorReason.ERROR_REASON_INTERNAL

    def __init__(self) -> None:
        super().__init__("an unexpected failure; the server's log has the cause under the request id")
