"""The connection between the services cut, black-holed and slowed down, on both databases."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.case import Case
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import kinds
from tests.support.processes import Process


@pytest.fixture
async def proxy(case: Case) -> AsyncIterator[FaultProxy]:
    """Between `far` and its persistence service."""
    async with FaultProxy.start(case.stack.persistences[0].internal_address) as between:
        yield between


@pytest.fixture
async def far(case: Case, proxy: FaultProxy) -> AsyncIterator[Process]:
    """A review service that reaches its persistence service through the proxy."""
    review = case.stack.spawn_review("extra0", persistence=proxy.address)
    await asyncio.to_thread(case.stack.adopt, review)
    yield review
    proxy.heal()
    case.stack.dismiss(review)


async def _calls(case: Case, run_id: str) -> int:
    return int((await case.model_wait({}, run_id=run_id))["total"]["started"])


async def test_reset_again_and_again(case: Case, proxy: FaultProxy, far: Process) -> None:
    callers = [await case.stream(far) for _ in range(8)]
    reading = [asyncio.create_task(caller.rest()) for caller in callers]
    for _ in range(10):
        await asyncio.sleep(0.03)
        proxy.reset()

    outcomes = await asyncio.gather(*reading, return_exceptions=True)

    for caller, outcome in zip(callers, outcomes, strict=True):
        if isinstance(outcome, BaseException):  # its own begin was cut: nothing was acknowledged
            assert caller.events == []
        else:
            assert kinds(outcome)[-1] == "run_completed"
            assert await _calls(case, caller.run_id) == 6


async def test_the_same_record_delivered_twice(case: Case, proxy: FaultProxy, far: Process) -> None:
    await case.hold("critic")
    caller = await case.stream(far)
    await caller.until("persona_review_ready", 4)
    proxy.drop_replies()
    await case.release()
    await case.model_wait({"succeeded": 6}, run_id=caller.run_id)
    await asyncio.sleep(0.2)  # the record is on its way or written; its answer is lost
    proxy.reset()
    proxy.heal()

    assert kinds(await caller.rest())[-1] == "run_completed"
    assert await _calls(case, caller.run_id) == 6


async def test_half_open_beyond_the_lease_another_process_goes_on(
    case: Case, proxy: FaultProxy, far: Process
) -> None:
    await case.hold("critic", "optimist", times=1)
    caller = await case.stream(far)
    await caller.until("persona_review_ready", 3)

    proxy.black_hole()
    taken = await (await case.watch(case.stack.reviews[1], caller.run_id)).rest()
    proxy.heal()

    assert kinds(taken)[-1] == "run_completed"
    assert "run_taken_over" in kinds(taken)
    for persona in caller.reviewed():
        assert (await case.model_wait({}, run_id=caller.run_id, persona=persona))["total"]["started"] == 1


async def test_slow(case: Case, proxy: FaultProxy, far: Process) -> None:
    proxy.delay(0.15)
    caller = await case.stream(far)

    assert kinds(await caller.rest())[-1] == "run_completed"


@pytest.mark.slow_fault
async def test_five_seconds_slow(case: Case, proxy: FaultProxy, far: Process) -> None:
    caller = await case.stream(far)
    await caller.until("run_started")
    proxy.delay(5.0)

    await asyncio.sleep(12)
    proxy.heal()

    assert kinds(await case.finish(caller.run_id))[-1] == "run_completed"
