"""What a step is given, and what it comes to. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, errors_pb2, proposal_pb2, run_event_pb2, run_pb2, suspicion_pb2
from review_service.model.model_call import CallFailure, ModelAnswer, ModelCall, OutputFormat
from review_service.steps.retry import RetryPolicy

T = TypeVar("T")


class AttemptRefused(Exception):  # noqa: N818 - it says what happened
    """A cap on spending does not allow an attempt, which was not begun; `refused` says which."""

    def __init__(self, refused: persistence_service_pb2.RefusedAttempt) -> None:
        super().__init__(refused.message)
        self.refused = refused


class AttemptRecorder(Protocol):
    """Writes down the calls of a run or an expansion as they happen, and alone knows which are recorded."""

    def is_started(self, step: str) -> bool:
        """Whether an attempt of the step is recorded as STARTED and its end is not."""

    async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
        """Returns once the attempt is durable; only then do bytes leave.

        Raises:
            AttemptRefused: no call may be made. Whatever else is raised: none is made.
        """

    async def attempt_failed(self, attempt: attempt_pb2.Attempt, event: run_event_pb2.AttemptFailed) -> None:
        """Records a failed attempt that is followed by another, `event.retry_delay` later."""


class Model(Protocol):
    """Makes one call to the model."""

    async def call(self, call: ModelCall, timeout_seconds: float) -> ModelAnswer | CallFailure:
        """What became of it; a value whatever the model does. Cancelling closes the connection."""


@dataclass(frozen=True, slots=True)
class StepBudget:
    """Where a step stands, from what is recorded of it.

    `deadline` is the run's, by the runner's clock. `used` counts the attempts that count against the
    budget, unknown ones and repairs included. `output_fault` is what was wrong with an invalid answer in this
    budget; `is_truncated` says that one was cut off. All three are over all routes; `counted` are the
    attempts themselves, since each route that is fallen back on has a budget of its own.
    """

    deadline: float
    used: int = 0
    next_number: int = 1
    output_fault: str = ""
    is_truncated: bool = False
    counted: tuple[attempt_pb2.Attempt, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StepRequest(Generic[T]):
    """What a step asks the model, and how it reads the answer.

    `model` may name a route. `read` turns the model's text into the result, given the attempt that succeeded,
    and raises OutputError. `time_limit_seconds` bounds all calls of the step that this worker makes.
    """

    run_id: str
    step: str
    persona_id: str
    model: str
    temperature: float | None
    policy: RetryPolicy
    output: OutputFormat
    instructions: str
    messages: tuple[str, ...]
    read: Callable[[str, attempt_pb2.Attempt], T]
    time_limit_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Succeeded(Generic[T]):
    """A step's result, and the attempt that brought it: SUCCEEDED, and not recorded yet."""

    result: T
    attempt: attempt_pb2.Attempt


@dataclass(frozen=True, slots=True)
class Expanded:
    """A proposal, and what hints that the model obeyed a text in making it."""

    proposal: proposal_pb2.Proposal
    suspicions: tuple[suspicion_pb2.Suspicion, ...] = ()


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Why a step has no result.

    `attempt` (FAILED) and `event` are the last call's, and not recorded yet; None when this worker made no
    call. `attempt_count` counts the step's attempts over all workers. `resumable`: resuming may help.
    """

    failure: run_pb2.StepFailure
    attempt: attempt_pb2.Attempt | None
    event: run_event_pb2.AttemptFailed | None
    attempt_count: int
    resumable: bool


def step_budget(
    step: str,
    attempts: Iterable[attempt_pb2.Attempt],
    deadline: float,
    budget_start_time: Timestamp | None = None,
) -> StepBudget:
    """The budget of a step that an earlier worker may have begun, from the run's recorded attempts.

    Attempts that began before `budget_start_time` (the last resumption) do not count against it, nor those
    that never left this machine.
    """
    mine = [attempt for attempt in attempts if attempt.step == step]
    since = budget_start_time.ToNanoseconds() if budget_start_time is not None else None
    recent = [a for a in mine if since is None or a.start_time.ToNanoseconds() >= since]
    counted = [a for a in recent if not a.uncounted]
    return StepBudget(
        deadline=deadline,
        used=len(counted),
        next_number=max((attempt.attempt_number for attempt in mine), default=0) + 1,
        output_fault=output_fault(counted),
        is_truncated=was_truncated(counted),
        counted=tuple(counted),
    )


def was_truncated(attempts: Iterable[attempt_pb2.Attempt]) -> bool:
    """Whether an answer was cut off at the cap."""
    return any(a.reason == errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT for a in attempts)


def output_fault(attempts: Iterable[attempt_pb2.Attempt]) -> str:
    """What was wrong with the last answer that was invalid, or nothing."""
    faults = [a for a in attempts if a.reason == errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT]
    newest = max(faults, key=lambda attempt: attempt.attempt_number, default=None)
    return newest.message if newest is not None else ""
