"""When a failed call is made again, and after how long."""

import pytest

from consensus.v1 import errors_pb2
from consensus_contract.errors import Reason, reason_number
from consensus_rpc.backoff import Backoff
from review_service.steps.retry import GiveUp, Retry, RetryPolicy, decide_retry, read_policy
from tests.support.engine import specification

POLICY = RetryPolicy(
    max_retries=3,
    backoff=Backoff(first_seconds=1.0, factor=2.0),
    attempt_timeout_seconds=120.0,
    max_output_tokens=8000,
)
TIMEOUT = errors_pb2.ERROR_REASON_LLM_TIMEOUT


def decide(
    reason: Reason = TIMEOUT,
    *,
    used: int = 1,
    is_repeated: bool = False,
    is_relearnt: bool = False,
    retry_after: float | None = None,
    left: float = 600.0,
    chance: float = 0.0,
) -> Retry | GiveUp:
    return decide_retry(
        POLICY,
        reason,
        used=used,
        is_repeated=is_repeated,
        is_relearnt=is_relearnt,
        retry_after_seconds=retry_after,
        seconds_left=left,
        chance=chance,
    )


def reason(name: str) -> Reason:
    number = reason_number(name)
    assert number is not None
    return number


@pytest.mark.parametrize("name", ["LLM_RATE_LIMITED", "LLM_TIMEOUT", "LLM_UNAVAILABLE"])
def test_failures_that_pass_are_retried_until_the_budget_is_used(name: str) -> None:
    outcomes = [decide(reason(name), used=used) for used in (1, 2, 3, 4)]

    assert outcomes == [Retry(1.0), Retry(2.0), Retry(4.0), GiveUp.BUDGET_USED]


@pytest.mark.parametrize(
    "name", ["LLM_QUOTA_EXHAUSTED", "LLM_AUTHENTICATION", "LLM_REQUEST_REJECTED", "LLM_REFUSED"]
)
def test_hopeless_failures_are_not_retried(name: str) -> None:
    assert decide(reason(name)) is GiveUp.NOT_RETRYABLE


@pytest.mark.parametrize("name", ["LLM_INVALID_OUTPUT", "LLM_TRUNCATED_OUTPUT"])
def test_faults_of_the_answer_are_retried_once(name: str) -> None:
    assert decide(reason(name)) == Retry(1.0)
    assert decide(reason(name), used=2, is_repeated=True) is GiveUp.NOT_RETRYABLE


def test_what_is_asked_otherwise_is_asked_at_once_within_the_budget() -> None:
    rejected = errors_pb2.ERROR_REASON_LLM_REQUEST_REJECTED

    assert decide(rejected, is_relearnt=True) == Retry(0.0)
    assert decide(rejected, is_relearnt=True, used=4) is GiveUp.BUDGET_USED


def test_a_run_whose_deadline_passed_is_not_retried() -> None:
    assert decide(errors_pb2.ERROR_REASON_RUN_DEADLINE_EXCEEDED) is GiveUp.NOT_RETRYABLE


def test_a_longer_wait_of_the_provider_wins_and_a_shorter_one_does_not() -> None:
    assert decide(retry_after=30.0) == Retry(30.0)
    assert decide(retry_after=0.2) == Retry(1.0)


def test_no_retry_starts_that_cannot_finish_before_the_deadline() -> None:
    assert decide(left=1.05) is GiveUp.NO_TIME
    assert decide(left=1.1) == Retry(1.0)
    assert decide(retry_after=700.0) is GiveUp.NO_TIME


def test_chance_adds_at_most_a_quarter_to_a_wait_and_nothing_to_the_providers() -> None:
    assert decide(chance=1.0) == Retry(1.25)
    assert decide(chance=1.0, retry_after=30.0) == Retry(30.0)


def test_the_policy_is_read_from_the_specification() -> None:
    policy = read_policy(specification(attempt_timeout_seconds=0.25).retry_policy)

    assert policy == RetryPolicy(3, Backoff(first_seconds=1.0, factor=2.0), 0.25, 8000)
    assert policy.max_attempts == 4
