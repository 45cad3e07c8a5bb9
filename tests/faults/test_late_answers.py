"""An answer of the model that comes after its attempt's time."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from consensus.v1 import errors_pb2
from offline_model.script import Rule
from tests.faults.case import PERSONAS, Case
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import kinds
from tests.support.processes import Process

_ATTEMPT_SECONDS = "3"


@pytest.fixture
async def between(case: Case) -> AsyncIterator[FaultProxy]:
    """Between `hasty` and the model."""
    async with FaultProxy.start(urlsplit(case.stack.model_url).netloc) as proxy:
        yield proxy


@pytest.fixture
async def hasty(case: Case, between: FaultProxy) -> AsyncIterator[Process]:
    """A review service that waits for the model for a few seconds at most."""
    review = case.stack.spawn_review(
        "extra0",
        OPENAI_BASE_URL=f"http://{between.address}/v1",
        MODEL_ATTEMPT_TIMEOUT_SECONDS=_ATTEMPT_SECONDS,
    )
    await asyncio.to_thread(case.stack.adopt, review)
    yield review
    between.heal()
    case.stack.dismiss(review)


@pytest.mark.parametrize("step", ["review_critic", "expand"])
async def test_it_is_ignored_and_the_retry_counts(
    case: Case, between: FaultProxy, hasty: Process, step: str
) -> None:
    await case.script(
        Rule(step=step, attempt=1, hold=f"{case.mark}-late"), Rule(step=step, attempt=2, hold=case.mark)
    )
    caller = await case.stream(hasty)
    if step == "expand":
        await caller.until("run_started")
    else:
        await caller.until("persona_review_ready", 4)  # theirs must not be held up
    await case.model_wait({"held": 1}, run_id=caller.run_id, step=step, attempt=1)

    # The model answers well and in time; the answer stays on its way until nobody waits for it.
    between.black_hole()
    await case.release(f"{case.mark}-late")
    await case.model_wait({"succeeded": 1}, run_id=caller.run_id, step=step, attempt=1)
    await caller.until("attempt_failed")
    between.heal()
    await case.model_wait({"held": 1}, run_id=caller.run_id, step=step, attempt=2)
    await case.release()
    events = await caller.rest()

    failures = [event.attempt_failed for event in events if event.HasField("attempt_failed")]
    assert [(failure.step, failure.attempt_number, failure.reason) for failure in failures] == [
        (step, 1, errors_pb2.ERROR_REASON_LLM_TIMEOUT)
    ]
    assert kinds(events)[-1] == "run_completed"
    assert sorted(caller.reviewed()) == sorted(PERSONAS)
    assert kinds(events).count("proposal_ready") == 1
    asked = await case.model_wait({}, run_id=caller.run_id, step=step)
    assert (asked["total"]["started"], asked["total"]["succeeded"]) == (2, 2)
