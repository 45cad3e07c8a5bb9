"""When a failed call to the model is made again: a policy, and a pure decision over it."""

from dataclasses import dataclass
from enum import Enum

from consensus.v1 import errors_pb2, run_pb2
from consensus_contract.errors import Reason
from consensus_rpc.backoff import Backoff

# Less than this before the run's deadline, a call is not worth beginning.
MIN_CALL_SECONDS = 0.1

_RETRYABLE = frozenset(
    {
        errors_pb2.ERROR_REASON_LLM_RATE_LIMITED,
        errors_pb2.ERROR_REASON_LLM_TIMEOUT,
        errors_pb2.ERROR_REASON_LLM_UNAVAILABLE,
    }
)
# Faults of the answer: the prompt or the cap is changed for the next call, so that one more try has a
# point and a second does not.
_RETRYABLE_ONCE = frozenset(
    {errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT}
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and after how long, a step's failed calls are made again."""

    max_retries: int
    backoff: Backoff
    attempt_timeout_seconds: float
    max_output_tokens: int

    @property
    def max_attempts(self) -> int:
        """Calls that a step may take, the first included."""
        return self.max_retries + 1


@dataclass(frozen=True, slots=True)
class Retry:
    """Call again after this wait."""

    delay_seconds: float


class GiveUp(Enum):
    """Why there is no further call."""

    NOT_RETRYABLE = ""  # the failure says it all
    BUDGET_USED = "Every try that the budget allows was used."
    NO_TIME = "Another try could not finish before the run's deadline."


def read_policy(message: run_pb2.RetryPolicy) -> RetryPolicy:
    """The policy of a run's specification."""
    return RetryPolicy(
        max_retries=message.max_retries,
        backoff=Backoff(
            first_seconds=message.initial_backoff.ToMicroseconds() / 1_000_000,
            factor=message.backoff_multiplier,
        ),
        attempt_timeout_seconds=message.attempt_timeout.ToMicroseconds() / 1_000_000,
        max_output_tokens=message.max_output_tokens,
    )


def is_retryable(reason: Reason) -> bool:
    """Whether the provider, not the answer, failed in a way that passes."""
    return reason in _RETRYABLE


def decide_retry(
    policy: RetryPolicy,
    reason: Reason,
    *,
    used: int,
    is_repeated: bool,
    is_relearnt: bool = False,
    retry_after_seconds: float | None,
    seconds_left: float,
    chance: float,
) -> Retry | GiveUp:
    """Whether a step calls again after a failure, and when.

    `used` counts the step's calls so far, this one included. `is_repeated`: a call before this one failed
    for the same reason. `is_relearnt`: the next call is made otherwise than the route refused, and at once.
    `seconds_left` runs to the run's deadline. A longer wait that the provider asked
    for wins over the policy's.
    """
    can_repeat = reason in _RETRYABLE or (reason in _RETRYABLE_ONCE and not is_repeated)
    if not is_relearnt and not can_repeat:
        return GiveUp.NOT_RETRYABLE
    if used >= policy.max_attempts:
        return GiveUp.BUDGET_USED
    delay = 0.0 if is_relearnt else max(policy.backoff.seconds(used, chance), retry_after_seconds or 0.0)
    if delay + MIN_CALL_SECONDS > seconds_left:
        return GiveUp.NO_TIME
    return Retry(delay)
