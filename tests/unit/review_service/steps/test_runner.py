"""How a step goes from call to call: recorded, retried, repaired, given up."""

import asyncio
import gc
import json
import weakref

import pytest

from consensus.v1 import attempt_pb2, run_event_pb2
from consensus_contract.steps import EXPAND, review_step
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from offline_model.server import OfflineModel
from review_service.model.client import ModelClient, ModelOptions
from review_service.steps.attempts import first_attempt
from review_service.steps.expander import Expander
from review_service.steps.runner import StepRunner
from review_service.steps.step import StepBudget, Succeeded
from tests.support.engine import (
    NO_DEADLINE,
    PANEL,
    Desk,
    Recorder,
    gave_up,
    specification,
    succeeded,
)

STEP = review_step("critic")


async def test_a_review_says_who_wrote_it_and_how(desk: Desk) -> None:
    outcome = succeeded(await desk.review(persona_id="security_guardian"))

    review, persona = outcome.result, PANEL.member("security_guardian")
    assert (review.persona_id, review.persona_name) == ("security_guardian", "SecurityGuardian")
    assert review.provenance.requested_model == "gpt-review"
    assert review.provenance.answered_model
    assert review.provenance.temperature == 0.2
    assert review.provenance.persona_template_version == "1.0.0"
    assert review.provenance.prompt_digest == persona.prompt_digest
    assert review.provenance.attempt_count == 1
    assert review.provenance.provider_request_id == outcome.attempt.provider_request_id
    assert review.provenance.usage == outcome.attempt.usage
    assert review.provenance.latency == outcome.attempt.latency
    assert list(review.provenance.truncated_fields) == []
    assert outcome.attempt.state == attempt_pb2.ATTEMPT_STATE_SUCCEEDED


async def test_an_idea_becomes_a_proposal(desk: Desk) -> None:
    outcome = await desk.expand()

    assert isinstance(outcome, Succeeded)
    assert outcome.result.proposal.problem_statement
    assert outcome.result.proposal.proposed_solution
    assert not outcome.result.suspicions
    assert outcome.attempt.step == "expand"
    assert outcome.attempt.requested_model == "gpt-expand"


async def test_an_attempt_is_recorded_before_its_bytes_leave(
    model: ModelClient, offline: OfflineModel
) -> None:
    seen: list[int] = []

    class Watching(Recorder):
        async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
            await asyncio.sleep(0.02)
            seen.append(offline.desk.counters.snapshot({})["total"]["started"])

    desk = Desk(model)
    desk.recorder = Watching()
    await desk.review()

    assert seen == [0]


async def test_a_recorder_that_refuses_keeps_the_call_from_being_made(
    model: ModelClient, offline: OfflineModel
) -> None:
    class Refusing(Recorder):
        async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
            raise LookupError("lease lost")

    desk = Desk(model)
    desk.recorder = Refusing()
    with pytest.raises(LookupError, match="lease lost"):
        await desk.review()

    assert offline.desk.counters.snapshot({})["total"]["started"] == 0


async def test_the_result_and_its_attempt_are_left_for_the_caller_to_record(desk: Desk) -> None:
    outcome = succeeded(await desk.review())

    assert desk.recorder.course() == [("started", 1)]
    assert outcome.attempt.attempt_number == 1


async def test_a_first_attempt_that_is_recorded_already_is_not_recorded_again(desk: Desk) -> None:
    desk.recorder.started_before = [STEP]
    await desk.review()

    assert desk.recorder.course() == []


@pytest.mark.parametrize("step", [EXPAND, STEP])
async def test_the_first_attempt_that_callers_record_is_the_one_the_runner_would(
    desk: Desk, step: str
) -> None:
    await (desk.expand() if step == EXPAND else desk.review())

    assert desk.recorder.started() == [first_attempt(specification(), step)]


async def test_failures_that_pass_are_retried_with_growing_waits(desk: Desk, control: ControlClient) -> None:
    await control.script(Rule(status=503, times=3))
    desk.time.chance = 1.0

    outcome = succeeded(await desk.review())

    assert desk.time.sleeps == [1.25, 2.5, 5.0]
    assert outcome.attempt.attempt_number == 4
    assert outcome.result.provenance.attempt_count == 4
    assert desk.recorder.course() == [
        ("started", 1), ("failed", 1), ("started", 2), ("failed", 2), ("started", 3), ("failed", 3),
        ("started", 4),
    ]  # fmt: skip
    _, failed, event = desk.recorder.records[1]
    assert failed.state == attempt_pb2.ATTEMPT_STATE_FAILED
    assert failed.http_status == 503
    assert event is not None
    assert (event.persona_id, event.attempt_number) == ("critic", 1)
    assert event.retry_delay.ToMilliseconds() == 1250


async def test_the_budget_ends_the_step_with_the_last_cause(desk: Desk, control: ControlClient) -> None:
    await control.script(Rule(status=429))

    outcome = gave_up(await desk.review(), "LLM_RATE_LIMITED")

    assert (await control.counters())["total"]["started"] == 4
    assert outcome.attempt_count == 4
    assert outcome.resumable
    assert outcome.attempt is not None
    assert outcome.attempt.attempt_number == 4
    assert outcome.event is not None
    assert not outcome.event.HasField("retry_delay")
    assert desk.recorder.course()[-1] == ("started", 4)  # the last failure is the caller's to record


@pytest.mark.parametrize(
    ("rule", "reason", "resumable"),
    [
        (Rule(status=429, error_code="insufficient_quota"), "LLM_QUOTA_EXHAUSTED", True),
        (Rule(status=401), "LLM_AUTHENTICATION", True),
        (Rule(status=400), "LLM_REQUEST_REJECTED", False),
        (Rule(refusal="no"), "LLM_REFUSED", False),
        (Rule(incomplete="content_filter"), "LLM_REFUSED", False),
    ],
    ids=["quota", "key", "rejected", "refusal", "filter"],
)
async def test_hopeless_failures_end_the_step_at_once(
    desk: Desk, control: ControlClient, rule: Rule, reason: str, *, resumable: bool
) -> None:
    await control.script(rule)

    outcome = gave_up(await desk.review(), reason)

    assert outcome.resumable is resumable
    assert (await control.counters())["total"]["started"] == 1


@pytest.mark.parametrize("malformed", ["not_json", "wrong_schema"])
async def test_an_invalid_answer_is_repaired_once_with_the_fault_named(
    desk: Desk, control: ControlClient, malformed: str
) -> None:
    await control.script(Rule.model_validate({"malformed": malformed, "times": 1}))
    await control.record(10)

    outcome = succeeded(await desk.review())

    first, second = await control.requests()
    assert second["body"]["input"][:-1] == first["body"]["input"]
    _, failed, _ = desk.recorder.records[1]
    assert failed.message in second["body"]["input"][-1]["content"]
    assert failed.raw_output
    assert not failed.repair
    assert outcome.attempt.repair


async def test_a_second_invalid_answer_ends_the_step_and_names_the_fields(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(override={"confidence_score": 7}))

    outcome = gave_up(await desk.review(), "LLM_INVALID_OUTPUT")

    assert (await control.counters())["total"]["started"] == 2
    fields = {violation.field for violation in outcome.failure.output_violations}
    assert {"confidence_score", "strengths"} <= fields
    assert outcome.attempt is not None
    assert outcome.attempt.repair
    assert json.loads(outcome.attempt.raw_output) == {"confidence_score": 7}


async def test_a_repair_that_meets_a_passing_failure_goes_on_as_a_repair(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(malformed="not_json", attempt=1), Rule(status=500, attempt=2))

    outcome = succeeded(await desk.review())

    assert [attempt.repair for attempt in desk.recorder.started()] == [False, True, True]
    assert outcome.attempt.attempt_number == 3


async def test_a_truncated_answer_is_asked_for_once_more_with_twice_the_cap(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(incomplete="max_output_tokens"))
    await control.record(10)

    gave_up(await desk.review(), "LLM_TRUNCATED_OUTPUT")

    assert [request["body"]["max_output_tokens"] for request in await control.requests()] == [8000, 16000]
    assert [attempt.max_output_tokens for attempt in desk.recorder.started()] == [8000, 16000]


async def test_the_model_cannot_choose_whose_review_it_is(desk: Desk, control: ControlClient) -> None:
    await control.script(Rule(override={"persona_id": "optimist"}))

    outcome = gave_up(await desk.review(), "LLM_INVALID_OUTPUT")

    assert outcome.event is not None
    assert outcome.event.persona_id == "critic"


async def test_without_a_key_the_step_fails_with_one_attempt_and_no_call(offline: OfflineModel) -> None:
    model = ModelClient(ModelOptions(api_key=None, base_url=offline.base_url))

    outcome = gave_up(await Desk(model).review(), "LLM_AUTHENTICATION")

    assert outcome.attempt is not None
    assert not outcome.attempt.HasField("latency")
    assert offline.desk.counters.snapshot({})["total"]["started"] == 0


async def test_cancelling_a_step_closes_its_connection_and_records_no_failure(
    desk: Desk, control: ControlClient
) -> None:
    await control.script(Rule(hold="for ever"))
    step = asyncio.create_task(desk.review())
    await control.wait({"held": 1})

    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step

    assert (await control.wait({"aborted": 1}, timeout_seconds=0.25))["total"]["aborted"] == 1
    assert desk.recorder.course() == [("started", 1)]


async def test_the_five_prompts_share_their_beginning_byte_for_byte_and_two_are_shown_the_idea(
    desk: Desk, control: ControlClient
) -> None:
    await control.record(10)

    await asyncio.gather(*(desk.review(persona_id=persona_id) for persona_id in PANEL.ids))

    bodies = [request["body"] for request in await control.requests()]
    assert len({body["instructions"] for body in bodies}) == 1
    assert len({json.dumps(body["input"][0]) for body in bodies}) == 1
    lines = {body["input"][-1]["content"].splitlines()[2]: body["input"][1:-1] for body in bodies}
    assert lines.keys() == {f"Persona: {persona_id}" for persona_id in PANEL.ids}
    beside = {line.removeprefix("Persona: ") for line, messages in lines.items() if messages}
    assert beside == {"critic", "security_guardian"}


async def test_a_failed_record_of_a_failure_ends_the_step(model: ModelClient, control: ControlClient) -> None:
    class Refusing(Recorder):
        async def attempt_failed(
            self, attempt: attempt_pb2.Attempt, event: run_event_pb2.AttemptFailed
        ) -> None:
            raise LookupError("lease lost")

    await control.script(Rule(status=500))
    desk = Desk(model)
    desk.recorder = Refusing()

    with pytest.raises(LookupError, match="lease lost"):
        await desk.review()

    assert (await control.counters())["total"]["started"] == 1


class WatchedRecorder(Recorder):
    """A recorder of which it can be told whether it is still there."""

    __slots__ = ("__weakref__",)


async def test_nothing_of_a_step_that_ended_stays_in_memory(model: ModelClient) -> None:
    recorder = WatchedRecorder()
    watched = weakref.ref(recorder)
    budget = StepBudget(deadline=NO_DEADLINE)
    gc.disable()
    try:
        outcome = await Expander(StepRunner(model)).expand("r", specification(), budget, recorder)
        assert isinstance(outcome, Succeeded)
        del recorder
        assert watched() is None
    finally:
        gc.enable()
