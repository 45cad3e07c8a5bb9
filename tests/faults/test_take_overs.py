"""Runs whose owners die again and again, and processes told to stop with enough time and with too little."""

import asyncio
import signal

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import errors_pb2, review_service_pb2, run_pb2
from tests.faults.case import Case
from tests.faults.stack import LEASE_SECONDS
from tests.support.pair import kinds, until
from tests.support.processes import Process

EXHAUSTED = errors_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED


async def _resumed(case: Case, run_id: str) -> str:
    """Resume a run by hand and follow it; how it ends then."""
    client = await case.at(case.stack.reviews[0])
    last = (await client.get(run_id)).last_sequence
    await client.review.ResumeRun(review_service_pb2.ResumeRunRequest(run_id=run_id))
    return kinds(await case.finish(run_id, last))[-1]


@pytest.mark.slow_fault
async def test_a_run_that_kills_its_owner_at_each_call_fails_and_can_be_resumed(case: Case) -> None:
    await case.hold("expand")
    run_id = await case.start(case.stack.reviews[0])
    for attempt in range(1, 5):
        await case.model_wait({"held": 1}, run_id=run_id, step="expand", attempt=attempt)
        owners = await asyncio.to_thread(case.stack.owners)
        (owner,) = [each for each in case.stack.reviews if each.pid in owners]
        owner.kill()
        await asyncio.to_thread(case.stack.restart, owner)
    await case.finish(run_id)
    run = await case.run(run_id)

    assert (run.state, run.failure.reason) == (run_pb2.RUN_STATE_FAILED, EXHAUSTED)
    await case.release()
    assert await _resumed(case, run_id) == "run_completed"


@pytest.mark.slow_fault
async def test_a_run_that_kills_its_owner_before_it_records_anything_fails_and_can_be_resumed(
    case: Case,
) -> None:
    """The owners here claim and are never heard of again."""
    run_id = await _abandoned(case)
    client = await case.at(case.stack.reviews[0])
    claim = persistence_service_pb2.ClaimRunsRequest(lease_owner="doomed:0:0", max_count=10)
    for _ in range(12):
        await client.persistence.ClaimRuns(claim)
        if case.stack.column(run_id, "state") == "FAILED":
            break
        await asyncio.sleep(LEASE_SECONDS + 0.1)
    await asyncio.to_thread(case.stack.heal)
    run = await case.run(run_id)

    assert (run.state, run.failure.reason) == (run_pb2.RUN_STATE_FAILED, EXHAUSTED)
    assert run.take_over_count == 5
    await case.release()
    assert await _resumed(case, run_id) == "run_completed"


async def _abandoned(case: Case) -> str:
    """A run whose owner is dead, and no review service to take it over."""
    await case.hold("expand")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("run_started")
    for review in case.stack.reviews:
        review.kill()
    return caller.run_id


async def _two_left(case: Case, review: Process) -> str:
    """A run at this process, of which two reviews are missing."""
    await case.hold("critic", "optimist", times=1)
    caller = await case.stream(review)
    await caller.until("persona_review_ready", 3)
    return caller.run_id


async def test_told_to_stop_with_enough_time_it_finishes_its_runs(case: Case) -> None:
    first, second = case.stack.reviews
    run_id = await _two_left(case, first)

    first.send(signal.SIGTERM)
    await asyncio.sleep(0.2)
    await case.release()
    events = await (await case.watch(second, run_id)).rest()

    assert await asyncio.to_thread(first.popen.wait, 20) == 0
    assert kinds(events)[-1] == "run_completed"
    assert (await case.model_wait({}, run_id=run_id))["total"]["started"] == 6


async def test_told_to_stop_with_too_little_time_it_gives_its_runs_back(case: Case) -> None:
    first, second = case.stack.reviews
    run_id = await _two_left(case, first)

    first.send(signal.SIGTERM)
    events = await (await case.watch(second, run_id)).rest()

    assert await asyncio.to_thread(first.popen.wait, 20) == 0
    assert kinds(events)[-1] == "run_completed"
    assert [e.run_taken_over.released for e in events if e.HasField("run_taken_over")] == [True]


async def test_persistence_told_to_stop_under_runs(case: Case) -> None:
    persistence = case.stack.persistences[0]
    run_id = await _two_left(case, case.stack.reviews[0])

    persistence.send(signal.SIGTERM)
    status = await asyncio.to_thread(persistence.popen.wait, 30)
    await asyncio.to_thread(case.stack.restart, persistence)
    await case.release()

    assert status == 0
    assert kinds(await case.finish(run_id))[-1] == "run_completed"


async def test_queued_runs_survive_all_processes(case: Case) -> None:
    for review in case.stack.reviews[1:]:
        review.kill()
    await case.hold("expand")
    runs = [await case.start(case.stack.reviews[0]) for _ in range(5)]
    for process in (*case.stack.reviews, *case.stack.persistences):
        process.kill()
    await asyncio.to_thread(case.stack.heal)
    await case.release()

    async def are_over() -> bool:
        return all(case.stack.column(run_id, "state") == "COMPLETED" for run_id in runs)

    await until(are_over, 30)
