"""A model that fails in every way it can, during expanding and during reviews, and comes back."""

import asyncio
from typing import Any

import pytest

from consensus.v1 import review_service_pb2, run_pb2
from offline_model.script import Rule
from tests.faults.case import PERSONAS, Case
from tests.support.pair import kinds

OTHER_PERSONA = {
    "persona_id": "security_guardian",
    "confidence_score": 1.0,
    "strengths": [],
    "concerns": [],
    "recommendations": [],
    "blocking_issues": [],
    "estimated_effort": "none",
    "dependency_risks": [],
}
PASSING: dict[str, dict[str, Any]] = {
    "429": {"status": 429},
    "429 with Retry-After": {"status": 429, "headers": {"retry-after": "1"}},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "closed unanswered": {"cut_off": "before_headers"},
    "reset": {"cut_off": "reset"},
    "cut off": {"cut_off": 40},
    "truncated": {"incomplete": "max_output_tokens"},
    "not JSON": {"malformed": "not_json"},
    "wrong schema": {"malformed": "wrong_schema"},
    "cut body": {"malformed": "truncated_http_body"},
    "another persona's answer": {"override": OTHER_PERSONA},
}
LASTING: dict[str, dict[str, Any]] = {
    "quota": {"status": 429, "error_code": "insufficient_quota", "error_type": "insufficient_quota"},
    "401": {"status": 401},
    "400": {"status": 400},
    "refusal": {"refusal": "I would rather not."},
    "redirect": {"redirect": "http://127.0.0.1:9/v1/responses"},
    "all down": {"status": 503},
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_a_fault_that_passes_leaves_a_whole_panel(postgresql_case: Case, fault: dict[str, Any]) -> None:
    case = postgresql_case
    await case.script(Rule(persona="critic", times=1, **fault), Rule(persona="architect", times=1, **fault))
    caller = await case.stream(case.stack.reviews[0])

    events = await caller.rest()

    assert kinds(events)[-1] == "run_completed"
    assert sorted(caller.reviewed()) == sorted(PERSONAS)


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
async def test_a_fault_that_lasts_fails_the_run_and_keeps_what_is_finished(
    postgresql_case: Case, fault: dict[str, Any]
) -> None:
    case = postgresql_case
    await case.script(Rule(persona="critic", **fault))
    caller = await case.stream(case.stack.reviews[0])

    events = await caller.rest()
    run = await case.run(caller.run_id)

    assert kinds(events)[-1] == "run_failed"
    assert run.state == run_pb2.RUN_STATE_FAILED
    assert [each.persona_id for each in run.persona_reviews] == [p for p in PERSONAS if p != "critic"]


async def test_all_down_and_back_the_resumed_run_asks_only_what_is_missing(case: Case) -> None:
    await case.script(*(Rule(persona=each, status=503, times=4) for each in ("critic", "optimist")))
    caller = await case.stream(case.stack.reviews[0])
    assert kinds(await caller.rest())[-1] == "run_failed"

    client = await case.at(case.stack.reviews[1])
    await client.review.ResumeRun(review_service_pb2.ResumeRunRequest(run_id=caller.run_id))
    events = await case.finish(caller.run_id, caller.last)

    assert kinds(events)[-1] == "run_completed"
    for persona in caller.reviewed():
        assert (await case.model_wait({}, run_id=caller.run_id, persona=persona))["total"]["started"] == 1


async def test_resumed_by_many_at_once_it_is_resumed_once(case: Case) -> None:
    await case.script(Rule(persona="critic", status=401, times=1))
    caller = await case.stream(case.stack.reviews[0])
    await caller.rest()
    clients = [await case.at(review) for review in case.stack.reviews]
    request = review_service_pb2.ResumeRunRequest(run_id=caller.run_id, idempotency_key="again")

    answers = await asyncio.gather(*(clients[n % 2].review.ResumeRun(request) for n in range(10)))
    await case.finish(caller.run_id, caller.last)

    assert {answer.run.resume_count for answer in answers} == {1}


async def test_killed_between_two_attempts_the_budget_is_not_renewed(case: Case) -> None:
    first, _ = case.stack.reviews
    await case.script(Rule(persona="critic", status=503, times=2), Rule(persona="critic", hold=case.mark))
    caller = await case.stream(first)
    await caller.until("attempt_failed", 2)
    await case.model_wait({"held": 1}, run_id=caller.run_id, persona="critic", attempt=3)

    first.kill()
    await case.model_wait({"held": 1}, run_id=caller.run_id, persona="critic", attempt=4)
    await case.release()

    assert kinds(await case.finish(caller.run_id, caller.last))[-1] == "run_completed"
