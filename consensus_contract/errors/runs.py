"""How a run, or a question to the model outside a run, can fail for good.

A run's terminal failure says in which state the run is, where it failed, whether it can be resumed and what
is finished. It never carries RetryInfo: sending the request again would replay the failure.
"""
# ruff: noqa: N818 - the names are those of the reasons in the contract

from collections.abc import Mapping, Sequence
from typing import ClassVar

import grpc

from consensus_contract.errors.base import (
    ConsensusError,
    ErrorReason,
    FieldViolation,
    Reason,
    class_for_reason,
    reason_name,
)
from consensus_contract.evidence import in_words

_CAUSE = "cause."
_FAILED, _CANCELLED = "FAILED", "CANCELLED"


class RunNotFound(ConsensusError):
    """No such run for this tenant; deleted runs and other tenants' look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_RUN_NOT_FOUND

    def __init__(self, *, run_id: str) -> None:
        super().__init__(f"run {run_id} was not found", metadata={"run_id": run_id})


class IllegalState(ConsensusError):
    """The run is in a state, such as `COMPLETED`, that does not allow the operation, such as `cancel`.

    `run_ids`: all runs that are in the way, where there are several.
    """

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_ILLEGAL_STATE

    MAX_RUNS = 20

    def __init__(self, *, run_id: str, state: str, operation: str, run_ids: Sequence[str] = ()) -> None:
        metadata = {"run_id": run_id, "state": state, "operation": operation}
        others = ""
        if len(run_ids) > 1:
            metadata["run_ids"] = ",".join(run_ids[: self.MAX_RUNS])
            others = f", and {len(run_ids) - 1} more are in the way"
        super().__init__(f"cannot {operation} run {run_id}: it is {state}{others}", metadata=metadata)


class SequenceOutOfRange(ConsensusError):
    """The stream is to begin after a sequence that the run or draft, being over, will never have."""

    code = grpc.StatusCode.OUT_OF_RANGE
    reason = ErrorReason.ERROR_REASON_SEQUENCE_OUT_OF_RANGE

    def __init__(
        self,
        *,
        after_sequence: int,
        last_sequence: int,
        run_id: str | None = None,
        draft_id: str | None = None,
    ) -> None:
        subject = {"run_id": run_id, "draft_id": draft_id}
        super().__init__(
            f"there is nothing after sequence {after_sequence}: the last is {last_sequence}",
            metadata={
                **{name: value for name, value in subject.items() if value is not None},
                "last_sequence": str(last_sequence),
            },
        )


class PolicyUnknown(ConsensusError):
    """The run is to be decided under a policy of a newer release; nothing was written."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_POLICY_UNKNOWN
    default_retry_after_seconds = 1.0

    def __init__(self, *, policy_version: str) -> None:
        super().__init__(
            f"policy {policy_version} is of a newer release than this service's",
            metadata={"policy_version": policy_version},
        )


class RunNotDecided(ConsensusError):
    """The run has no decision yet."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_RUN_NOT_DECIDED

    def __init__(self, *, run_id: str, state: str) -> None:
        super().__init__(
            f"run {run_id} has no decision: it is {state}", metadata={"run_id": run_id, "state": state}
        )


class HumanReviewersFull(ConsensusError):
    """As many people reviewed the run as may."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_HUMAN_REVIEWERS_FULL

    def __init__(self, *, run_id: str, limit: int) -> None:
        super().__init__(
            f"at most {limit} people review run {run_id}; each of them may again",
            metadata={"run_id": run_id, "limit": str(limit)},
        )


class LeaseLost(ConsensusError):
    """The write carried an outdated fencing token; nothing was written. Between the services only."""

    code = grpc.StatusCode.ABORTED
    reason = ErrorReason.ERROR_REASON_LEASE_LOST

    def __init__(self, *, run_id: str) -> None:
        super().__init__(
            f"the lease on run {run_id} is lost; nothing was written", metadata={"run_id": run_id}
        )


class RunFailed(ConsensusError):
    """Common to the reasons that end a run; raised as one of its subclasses.

    Without `run_id` it ended a question outside a run; only that may carry `retry_after_seconds`. `causes`
    maps the ids of personas that gave up to names of reasons; `evidence` is metadata: `cause`,
    `provider_code`, `provider_param`.

    Raises:
        ValueError: when a run's terminal failure is to be retried.
    """

    text: str
    ends_as: ClassVar[str] = _FAILED

    def __init__(
        self,
        *,
        run_id: str | None = None,
        failed_step: str | None = None,
        resumable: bool | None = None,
        finished: Sequence[str] | None = None,
        causes: Mapping[str, str] | None = None,
        field_violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
        evidence: Mapping[str, str] | None = None,
    ) -> None:
        if run_id is not None and retry_after_seconds is not None:
            raise ValueError("a run's terminal failure carries no RetryInfo")
        super().__init__(
            _message(self.text, run_id, failed_step) + in_words(evidence or {}),
            metadata={
                **_metadata(run_id, self.ends_as, failed_step, resumable, finished, causes),
                **(evidence or {}),
            },
            retry_after_seconds=retry_after_seconds,
            field_violations=field_violations,
        )

    @property
    def failed_step(self) -> str | None:
        """The step that failed, such as `expand`."""
        return self.metadata.get("failed_step")

    @property
    def resumable(self) -> bool:
        """Whether ResumeRun may continue the run."""
        return self.metadata.get("resumable") == "true"

    @property
    def cause(self) -> str:
        """What happened, finer than the reason, such as `model_not_found`; empty when that is not known."""
        return self.metadata.get("cause", "")

    @property
    def finished(self) -> tuple[str, ...]:
        """What is finished and stays readable, in order."""
        return tuple(part for part in self.metadata.get("finished", "").split(",") if part)

    @property
    def causes(self) -> dict[str, str]:
        """The name of a reason for each persona that gave up."""
        return {
            key.removeprefix(_CAUSE): value for key, value in self.metadata.items() if key.startswith(_CAUSE)
        }


def _message(text: str, run_id: str | None, failed_step: str | None) -> str:
    if run_id is None:
        return text
    where = f" in {failed_step}" if failed_step else ""
    return f"run {run_id} ended{where}: {text}"


def _metadata(
    run_id: str | None,
    ends_as: str,
    failed_step: str | None,
    resumable: bool | None,
    finished: Sequence[str] | None,
    causes: Mapping[str, str] | None,
) -> dict[str, str]:
    found = {
        "run_id": run_id,
        "run_state": None if run_id is None else ends_as,
        "failed_step": failed_step,
        "resumable": None if resumable is None else str(resumable).lower(),
        "finished": None if finished is None else ",".join(finished),
    }
    metadata = {key: value for key, value in found.items() if value is not None}
    return metadata | {_CAUSE + persona: cause for persona, cause in (causes or {}).items()}


def run_failed(
    reason: Reason,
    *,
    run_id: str,
    failed_step: str | None = None,
    resumable: bool | None = None,
    finished: Sequence[str] | None = None,
    causes: Mapping[str, str] | None = None,
    field_violations: Sequence[FieldViolation] = (),
    evidence: Mapping[str, str] | None = None,
) -> ConsensusError:
    """The terminal failure of a run for any reason, such as INTERNAL too; never with RetryInfo.

    Raises:
        KeyError: for UNSPECIFIED and numbers that this release does not know.
    """
    kind = class_for_reason(reason)
    text = kind.text if issubclass(kind, RunFailed) else reason_name(reason)
    return kind.rebuilt(
        _message(text, run_id, failed_step) + in_words(evidence or {}),
        metadata={
            **_metadata(run_id, _FAILED, failed_step, resumable, finished, causes),
            **(evidence or {}),
        },
        field_violations=field_violations,
    )


class QuorumNotMet(RunFailed):
    """Fewer personas answered than the run's quorum asks for."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_QUORUM_NOT_MET
    text = "fewer personas answered than its quorum asks for"


class RunDeadlineExceeded(RunFailed):
    """The run's own deadline passed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = ErrorReason.ERROR_REASON_RUN_DEADLINE_EXCEEDED
    text = "its own deadline passed"


class RunCancelled(RunFailed):
    """The run was cancelled."""

    code = grpc.StatusCode.CANCELLED
    reason = ErrorReason.ERROR_REASON_RUN_CANCELLED
    text = "it was cancelled"
    ends_as = _CANCELLED


class AttemptsExhausted(RunFailed):
    """Every attempt that the budget allows was used, or the run was taken over too often."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_ATTEMPTS_EXHAUSTED
    text = "every attempt that its budget allows was used"
