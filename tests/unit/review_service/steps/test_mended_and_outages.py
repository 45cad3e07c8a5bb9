"""What costs no further call, and what is never sent a sentence about its fault."""

from dataclasses import dataclass, field

import pytest

from consensus.v1 import errors_pb2
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model.model_call import CallFailure, CallReport, ModelAnswer, ModelCall
from review_service.steps.reviewer import Reviewer
from review_service.steps.runner import StepRunner
from review_service.steps.step import StepBudget
from tests.support.engine import (
    FRESH,
    PANEL,
    RUN_ID,
    Desk,
    FakeTime,
    Recorder,
    gave_up,
    proposal,
    specification,
    succeeded,
)
from tests.support.outputs import REVIEW


async def test_a_review_that_is_mended_takes_one_call_and_says_so(desk: Desk, control: ControlClient) -> None:
    odd = REVIEW | {"estimated_effort": "", "strengths": ["x" * 4_001], "verdict": "fine"}
    await control.script(Rule(override=odd))

    outcome = succeeded(await desk.review())

    assert (await control.counters())["total"]["started"] == 1
    assert outcome.result.estimated_effort == "not estimated"
    assert list(outcome.result.provenance.truncated_fields) == ["strengths"]
    assert list(outcome.attempt.mended) == ["extra_fields", "blank_required"]
    assert list(outcome.attempt.truncated_fields) == ["strengths"]


async def test_a_plain_review_has_nothing_to_say(desk: Desk) -> None:
    attempt = succeeded(await desk.review()).attempt

    assert (list(attempt.mended), list(attempt.truncated_fields), attempt.message) == ([], [], "")


async def test_the_review_of_one_persona_cannot_take_the_room_of_all(
    desk: Desk, control: ControlClient
) -> None:
    lists = dict.fromkeys(("strengths", "recommendations", "dependency_risks"), ["語" * 4_000] * 12)
    await control.script(Rule(override=REVIEW | lists))
    spec = specification()
    spec.retry_policy.max_output_tokens = 1_000_000

    outcome = succeeded(await desk.review(spec=spec))

    assert outcome.result.ByteSize() <= 1_048_576 // 5
    assert set(outcome.result.provenance.truncated_fields) == set(lists)


@pytest.mark.parametrize("malformed", ["html_body", "truncated_http_body"])
async def test_what_is_no_answer_is_asked_for_again_as_it_was(
    desk: Desk, control: ControlClient, malformed: str
) -> None:
    await control.script(Rule.model_validate({"malformed": malformed, "times": 2}))
    await control.record(10)

    succeeded(await desk.review())

    first, *others = [request["body"]["input"] for request in await control.requests()]
    assert others == [first, first]
    assert not any(attempt.repair for attempt in desk.recorder.started())


@pytest.mark.parametrize(
    ("rule", "reason", "is_resumable"),
    [
        (Rule(status=404, error_code="model_not_found"), "LLM_REQUEST_REJECTED", True),
        (Rule(status=402), "LLM_QUOTA_EXHAUSTED", True),
        (Rule(status=422, error_code="invalid_value"), "LLM_REQUEST_REJECTED", False),
    ],
)
async def test_resuming_helps_where_a_setting_or_an_account_can_be_mended(
    desk: Desk, control: ControlClient, rule: Rule, reason: str, is_resumable: bool
) -> None:
    await control.script(rule)

    assert gave_up(await desk.review(), reason).resumable is is_resumable


@dataclass
class ShortOfDescriptors:
    """This machine, for so many calls; then there is no answer at all."""

    times: int
    calls: list[int] = field(default_factory=list)

    async def call(self, call: ModelCall, timeout_seconds: float) -> ModelAnswer | CallFailure:
        self.calls.append(call.attempt_number)
        is_local = len(self.calls) <= self.times
        reason = errors_pb2.ERROR_REASON_LLM_UNAVAILABLE
        return CallFailure(CallReport(), reason, "No call was made.", is_local=is_local)


async def test_a_local_shortage_uses_up_no_attempt_of_the_budget() -> None:
    model = ShortOfDescriptors(times=6)
    reviewer = Reviewer(StepRunner(model, timing=FakeTime().timing()), PANEL)
    task = reviewer.prepare(RUN_ID, specification(max_retries=3), proposal())

    gave_up(await reviewer.review(task, "critic", FRESH, Recorder()), "LLM_UNAVAILABLE")

    assert len(model.calls) == 6 + 4


async def test_a_local_shortage_ends_with_the_run() -> None:
    model = ShortOfDescriptors(times=1_000)
    reviewer = Reviewer(StepRunner(model, timing=FakeTime().timing()), PANEL)
    task = reviewer.prepare(RUN_ID, specification(), proposal())

    gave_up(await reviewer.review(task, "critic", StepBudget(deadline=5.0), Recorder()), "LLM_UNAVAILABLE")

    assert len(model.calls) <= 11
