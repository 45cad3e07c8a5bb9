"""Promises shown whole: fifty starts make one run; fifty runs outlast a database that is away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.faults.case import Case, running_case
from tests.faults.conftest import with_password
from tests.faults.stack import Stack, running_stack
from tests.support.pair import PERSISTENCE, REVIEW, kinds
from tests.support.postgres import Cluster

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING

# Also the time after the outage in which the owner must be back: long enough for a machine that stalls.
LEASE_SECONDS = 5.0


async def test_fifty_starts_with_one_key_at_three_processes_make_one_run(postgresql_case: Case) -> None:
    case = postgresql_case
    third = case.stack.spawn_review("extra2")
    try:
        await asyncio.to_thread(case.stack.adopt, third)
        reviews = [*case.stack.reviews, third]

        runs = await asyncio.gather(*(case.start(reviews[n % 3], key=case.mark) for n in range(50)))
        (run_id,) = set(runs)
        await case.finish(run_id)

        calls = (await case.model_wait({}, run_id=run_id))["calls"]
        started = Counter(call["step"].split("_")[0] for call in calls for _ in range(call["started"]))
        assert started == {"expand": 1, "review": 5}
        before = await asyncio.to_thread(case.evidence)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await case.start(third, key=case.mark, idea=case.idea.replace("five minutes", "five minuteS"))
        assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "IDEMPOTENCY_KEY_REUSED" in str(refusal.value.trailing_metadata())
        after = await asyncio.to_thread(case.evidence)
        assert (after.snapshot.runs, after.snapshot.entries, after.snapshot.keys) == (
            before.snapshot.runs,
            before.snapshot.entries,
            before.snapshot.keys,
        )
    finally:
        case.stack.dismiss(third)


@pytest.fixture(params=["15"])
async def own_case(
    request: pytest.FixtureRequest, tmp_path: Path, mark: str
) -> AsyncIterator[tuple[Case, Cluster]]:
    """A case with a lease of so many seconds, by default the service's own, on a PostgreSQL of its own."""
    with Cluster() as cluster:
        url = with_password(cluster.create_database())
        stack = Stack(
            tmp_path, url, persistence_count=2, persistence_settings={"LEASE_SECONDS": request.param}
        )
        with running_stack(stack):
            async with running_case(stack, mark) as case:
                yield case, cluster


async def _health(address: str, service: str, seen: list[int]) -> None:
    """Note each change of a service's health."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its types know no Watch
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service))
        while (answer := await watch.read()) is not grpc.aio.EOF:
            seen.append(answer.status)


@pytest.mark.slow_fault
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_ten_seconds_without_a_database_under_fifty_reviews(
    own_case: tuple[Case, Cluster], mode: str
) -> None:
    case, cluster = own_case
    await case.hold("critic", "optimist")
    callers = [await case.stream(case.stack.reviews[n % 2]) for n in range(50)]
    await asyncio.gather(*(caller.until("persona_review_ready", 3) for caller in callers))
    healths: dict[str, list[int]] = {PERSISTENCE: [], REVIEW: []}
    watching = [
        asyncio.create_task(_health(case.stack.persistences[0].address, PERSISTENCE, healths[PERSISTENCE])),
        asyncio.create_task(_health(case.stack.reviews[0].address, REVIEW, healths[REVIEW])),
    ]

    await asyncio.to_thread(cluster.stop, "fast" if mode == "fast" else "immediate")
    await case.release()
    await asyncio.sleep(10)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await case.start(case.stack.reviews[1])
    await asyncio.to_thread(cluster.start)
    ends = await asyncio.gather(*(case.finish(caller.run_id, caller.last) for caller in callers))
    await asyncio.to_thread(case.stack.wait_serving)
    for task in watching:
        task.cancel()

    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert Counter(kinds(events)[-1] for events in ends) == {"run_completed": 50}
    for seen in healths.values():
        assert seen == [SERVING, NOT_SERVING, SERVING]
    for caller in callers:
        for persona in caller.reviewed():
            counted = await case.model_wait({}, run_id=caller.run_id, persona=persona)
            assert counted["total"]["started"] == 1


@pytest.mark.slow_fault
@pytest.mark.parametrize("own_case", [str(LEASE_SECONDS)], indirect=True)
async def test_answers_in_hand_outlast_three_leases_without_a_database(
    own_case: tuple[Case, Cluster],
) -> None:
    case, cluster = own_case
    await case.hold("architect", "critic", "optimist", "security_guardian", "user_advocate")
    callers = [await case.stream(case.stack.reviews[n % 2]) for n in range(4)]
    await asyncio.gather(*(caller.until("proposal_ready") for caller in callers))
    await asyncio.to_thread(cluster.stop, "fast")
    await case.release()
    await asyncio.sleep(3 * LEASE_SECONDS)
    await asyncio.to_thread(cluster.start)
    ends = await asyncio.gather(*(case.finish(caller.run_id, caller.last) for caller in callers))
    assert Counter(kinds(events)[-1] for events in ends) == {"run_completed": 4}
    for caller in callers:
        assert (await case.model_wait({}, run_id=caller.run_id))["total"]["started"] == 6
