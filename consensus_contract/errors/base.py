"""The root of all errors of the contract, and the table from reason to class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

import grpc

from consensus.v1 import errors_pb2

ErrorReason = errors_pb2.ErrorReason
Reason: TypeAlias = errors_pb2.ErrorReason.ValueType

_PREFIX = "ERROR_REASON_"


def reason_name(reason: Reason) -> str:
    """The name of a reason as `google.rpc.ErrorInfo` carries it, such as `RUN_NOT_FOUND`."""
    return ErrorReason.Name(reason).removeprefix(_PREFIX)


def reason_number(name: str) -> Reason | None:
    """The reason with this name (without the prefix), or None if this release does not know it."""
    if (_PREFIX + name) not in ErrorReason.keys():  # noqa: SIM118 - an enum wrapper, not a dict
        return None
    return ErrorReason.Value(_PREFIX + name)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One broken rule of one field: its path, what is allowed and what size was sent; never content."""

    field: str
    description: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """One limit that was reached: whose it is, and how far it goes."""

    subject: str
    description: str


class ConsensusError(Exception):
    """An error of the contract: a status code, a reason, and data that a program can read.

    Subclasses fix `code` and `reason` and take their ids as keyword arguments. The message is for
    people and holds no content (ideas, prompts, review texts) and no secret.
    """

    code: ClassVar[grpc.StatusCode]
    reason: ClassVar[Reason]
    default_retry_after_seconds: ClassVar[float | None] = None

    message: str
    metadata: dict[str, str]
    retry_after_seconds: float | None
    field_violations: tuple[FieldViolation, ...]
    quota: tuple[QuotaViolation, ...]
    reason_name: str
    status_code: grpc.StatusCode

    def __init_subclass__(cls) -> None:
        """Enters a class that fixes a reason of its own into the table."""
        super().__init_subclass__()
        reason = cls.__dict__.get("reason")
        if not reason:  # an intermediate class, or one for answers that carry no reason
            return
        if reason in CLASS_BY_REASON:
            raise TypeError(f"{reason_name(reason)} has two classes: {CLASS_BY_REASON[reason]}, {cls}")
        CLASS_BY_REASON[reason] = cls

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
        field_violations: Sequence[FieldViolation] = (),
        quota: Sequence[QuotaViolation] = (),
    ) -> None:
        """Keeps what will stand in the status; `retry_after_seconds` None takes the class's default."""
        if retry_after_seconds is None:
            retry_after_seconds = self.default_retry_after_seconds
        self._fill(message, metadata or {}, retry_after_seconds, field_violations, quota)

    @classmethod
    def rebuilt(
        cls,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
        field_violations: Sequence[FieldViolation] = (),
        quota: Sequence[QuotaViolation] = (),
        status_code: grpc.StatusCode | None = None,
        reason_name: str | None = None,
    ) -> Self:
        """An error as it stood on the wire: nothing is added, no default applies.

        `status_code` and `reason_name` are for answers that this release has no class for.
        """
        error = cls.__new__(cls)
        error._fill(message, metadata or {}, retry_after_seconds, field_violations, quota)
        if status_code is not None:
            error.status_code = status_code
        if reason_name is not None:
            error.reason_name = reason_name
        return error

    def _fill(
        self,
        message: str,
        metadata: Mapping[str, str],
        retry_after_seconds: float | None,
        field_violations: Sequence[FieldViolation],
        quota: Sequence[QuotaViolation],
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata)
        self.retry_after_seconds = retry_after_seconds
        self.field_violations = tuple(field_violations)
        self.quota = tuple(quota)
        self.status_code = self.code
        self.reason_name = reason_name(self.reason) if self.reason else ""

    @property
    def run_id(self) -> str | None:
        """The run that the error is about, if there is one."""
        return self.metadata.get("run_id")

    @property
    def run_state(self) -> str | None:
        """`FAILED` or `CANCELLED` where it is the run that ended so, and not the call."""
        return self.metadata.get("run_state")

    @property
    def request_id(self) -> str | None:
        """The request id that the server answered with; it finds the call in the logs."""
        return self.metadata.get("request_id")

    @property
    def retryable(self) -> bool:
        """Whether the same request (a read, or one with a key) may be sent after `retry_after_seconds`."""
        return self.retry_after_seconds is not None

    def __repr__(self) -> str:
        """Class, code, reason and message."""
        return f"{type(self).__name__}({self.status_code.name}, {self.reason_name or '-'}, {self.message!r})"


CLASS_BY_REASON: dict[Reason, type[ConsensusError]] = {}


def class_for_reason(reason: Reason) -> type[ConsensusError]:
    """The class of a reason.

    Raises:
        KeyError: for UNSPECIFIED, numbers that this release does not know, and the reasons of calls alone
            where `consensus_rpc.errors` is not loaded.
    """
    return CLASS_BY_REASON[reason]
