"""How a step keeps to the run's deadline, the attempt's time, and waits that the provider asks for."""

import time

from consensus.v1 import attempt_pb2
from consensus_contract.errors import reason_name
from consensus_contract.steps import review_step
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model.client import ModelClient
from review_service.steps.reviewer import Reviewer
from review_service.steps.runner import StepRunner
from review_service.steps.step import StepBudget, Succeeded
from review_service.steps.timing import Timing
from tests.support.engine import PANEL, RUN_ID, Desk, Recorder, gave_up, proposal, specification, succeeded


async def test_a_longer_wait_of_the_provider_slows_every_step_of_its_route(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(status=429, headers={"retry-after": "20"}, persona="critic"))
    gave_up(await desk.review(StepBudget(deadline=10.0)), "LLM_RATE_LIMITED")

    succeeded(await desk.review(persona_id="architect"))

    assert desk.time.sleeps == [20.0]


async def test_a_paused_route_leaves_other_models_alone(desk: Desk, control: ControlClient) -> None:
    await control.script(Rule(status=429, headers={"retry-after": "20"}, persona="critic"))
    await desk.review(spec=specification(max_retries=1))
    sleeps = list(desk.time.sleeps)

    assert isinstance(await desk.expand(), Succeeded)

    assert desk.time.sleeps == sleeps


async def test_a_route_that_stays_closed_beyond_the_deadline_ends_the_step_without_a_call(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(status=429, headers={"retry-after": "60"}, persona="critic"))
    await desk.review(StepBudget(deadline=30.0))

    desk.recorder.started_before = [review_step("architect")]
    recorded = gave_up(
        await desk.review(StepBudget(deadline=30.0), persona_id="architect"), "LLM_RATE_LIMITED"
    )
    unrecorded = gave_up(
        await desk.review(StepBudget(deadline=30.0), persona_id="optimist"), "LLM_RATE_LIMITED"
    )

    assert (await control.counters())["total"]["started"] == 1
    assert recorded.attempt is not None
    assert recorded.attempt.state == attempt_pb2.ATTEMPT_STATE_FAILED
    assert (unrecorded.attempt, unrecorded.event, unrecorded.attempt_count) == (None, None, 0)


async def test_no_retry_starts_that_cannot_finish_before_the_deadline(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(status=503))

    outcome = gave_up(await desk.review(StepBudget(deadline=3.05)), "LLM_UNAVAILABLE")

    assert desk.time.sleeps == [1.0]
    assert outcome.attempt_count == 2
    assert "deadline" in outcome.failure.message


async def test_a_call_does_not_outlive_the_run(model: ModelClient, control: ControlClient) -> None:
    await control.script(Rule(hold="for ever"))
    reviewer = Reviewer(StepRunner(model, timing=Timing()), PANEL)
    task = reviewer.prepare(RUN_ID, specification(), proposal())
    began = time.monotonic()

    outcome = await reviewer.review(task, "critic", StepBudget(deadline=began + 0.2), Recorder())

    assert time.monotonic() - began < 0.45
    stopped = gave_up(outcome, "RUN_DEADLINE_EXCEEDED")
    assert stopped.attempt is not None
    assert reason_name(stopped.attempt.reason) == "RUN_DEADLINE_EXCEEDED"
    assert (await control.wait({"aborted": 1}))["total"]["aborted"] == 1


async def test_a_step_that_begins_after_the_deadline_makes_no_call(
    desk: Desk, control: ControlClient
) -> None:
    gave_up(await desk.review(StepBudget(deadline=0.0)), "RUN_DEADLINE_EXCEEDED")

    assert (await control.counters())["total"]["started"] == 0


async def test_a_timed_out_call_is_retried(model: ModelClient, control: ControlClient) -> None:
    await control.script(Rule(hold="for ever", times=1))
    desk = Desk(model)

    outcome = succeeded(await desk.review(spec=specification(attempt_timeout_seconds=0.5)))

    assert outcome.attempt.attempt_number == 2
    assert reason_name(desk.recorder.records[1][1].reason) == "LLM_TIMEOUT"
