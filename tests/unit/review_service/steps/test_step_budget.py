"""How a step goes on from what earlier workers recorded."""

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import attempt_pb2, errors_pb2
from offline_model.control_client import ControlClient
from review_service.steps.step import StepBudget, step_budget
from tests.support.engine import NO_DEADLINE, Desk, gave_up, succeeded

STEP = "review_critic"


def recorded(
    number: int,
    state: attempt_pb2.AttemptState.ValueType,
    *,
    reason: errors_pb2.ErrorReason.ValueType = errors_pb2.ERROR_REASON_UNSPECIFIED,
    started: int = 0,
    step: str = STEP,
    message: str = "",
) -> attempt_pb2.Attempt:
    return attempt_pb2.Attempt(
        step=step,
        attempt_number=number,
        state=state,
        reason=reason,
        message=message,
        start_time=Timestamp(seconds=started),
    )


UNKNOWN = attempt_pb2.ATTEMPT_STATE_UNKNOWN
FAILED = attempt_pb2.ATTEMPT_STATE_FAILED


def test_unknown_attempts_and_repairs_count_against_the_budget() -> None:
    attempts = [
        recorded(1, FAILED, reason=errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message="It is empty."),
        recorded(2, UNKNOWN),
        recorded(1, UNKNOWN, step="review_optimist"),
    ]

    budget = step_budget(STEP, attempts, 600.0)

    assert budget == StepBudget(deadline=600.0, used=2, next_number=3, output_fault="It is empty.")


def test_resuming_renews_the_budget_and_goes_on_counting_numbers() -> None:
    attempts = [
        recorded(1, FAILED, reason=errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT, started=10),
        recorded(2, UNKNOWN, started=20),
        recorded(3, UNKNOWN, started=30),
    ]

    budget = step_budget(STEP, attempts, 600.0, Timestamp(seconds=25))

    assert budget == StepBudget(deadline=600.0, used=1, next_number=4)


async def test_a_step_whose_budget_was_used_up_by_lost_workers_makes_no_call(
    desk: Desk, control: ControlClient
) -> None:
    budget = step_budget(STEP, [recorded(number, UNKNOWN) for number in (1, 2, 3, 4)], NO_DEADLINE)

    outcome = gave_up(await desk.review(budget), "ATTEMPTS_EXHAUSTED")

    assert (outcome.attempt, outcome.attempt_count) == (None, 4)
    assert (await control.counters())["total"]["started"] == 0


async def test_a_taken_over_step_goes_on_where_its_record_stands(desk: Desk, control: ControlClient) -> None:
    await control.record(10)
    fault = recorded(
        1, FAILED, reason=errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT, message="It is not valid JSON."
    )
    truncated = recorded(2, FAILED, reason=errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT)

    outcome = succeeded(await desk.review(step_budget(STEP, [fault, truncated], NO_DEADLINE)))

    assert outcome.attempt.attempt_number == 3
    assert outcome.attempt.max_output_tokens == 16000
    assert "It is not valid JSON." in (await control.requests())[0]["body"]["input"][-1]["content"]


def test_what_never_left_this_machine_does_not_count_for_the_next_worker_either() -> None:
    short = recorded(1, FAILED, reason=errors_pb2.ERROR_REASON_LLM_UNAVAILABLE)
    short.uncounted = True

    budget = step_budget(STEP, [short, recorded(2, UNKNOWN)], 600.0)

    assert (budget.used, budget.next_number) == (1, 3)
