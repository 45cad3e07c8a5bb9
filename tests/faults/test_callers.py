"""Callers that leave, stop reading, come back all at once, and cancel before the first message."""

import asyncio

import grpc
import pytest

from consensus.v1 import review_service_pb2, run_event_pb2
from tests.faults.case import Case, Follower
from tests.support.pair import kinds, review_request, until

CANCEL = review_service_pb2.ON_DISCONNECT_CANCEL
CONTINUE = review_service_pb2.ON_DISCONNECT_CONTINUE


@pytest.mark.parametrize(("policy", "ending"), [(CONTINUE, "run_completed"), (CANCEL, "run_cancelled")])
async def test_gone_in_the_middle(case: Case, policy: int, ending: str) -> None:
    first, second = case.stack.reviews
    await case.hold("critic")
    caller = await case.stream(first, on_disconnect=policy)
    await caller.until("persona_review_ready", 4)

    caller.call.cancel()
    if policy == CANCEL:
        await case.model_wait({"aborted": 1}, run_id=caller.run_id)
    await case.release()

    assert kinds(await (await case.watch(second, caller.run_id)).rest())[-1] == ending


@pytest.mark.parametrize("policy", [CONTINUE, CANCEL])
async def test_gone_before_the_first_message(case: Case, policy: int) -> None:
    client = await case.at(case.stack.reviews[0])
    for milliseconds in (0, 1, 3, 10):
        call = client.review.StreamReview(review_request(case.idea, on_disconnect=policy))
        await asyncio.sleep(milliseconds / 1000)
        call.cancel()
    # Once a later caller has been served, every run that was begun for one who left is in the database.
    await (await case.stream(case.stack.reviews[0])).rest()


async def test_one_that_stops_reading_harms_nobody(case: Case) -> None:
    first = case.stack.reviews[0]
    stalled = [await case.stream(first) for _ in range(5)]
    others = [await case.stream(first) for _ in range(5)]

    ends = await asyncio.gather(*(other.rest() for other in others))

    assert {kinds(events)[-1] for events in ends} == {"run_completed"}
    assert {kinds(await each.rest())[-1] for each in stalled} == {"run_completed"}


@pytest.mark.parametrize("watchers", [60, pytest.param(1000, marks=pytest.mark.slow_fault)])
async def test_many_reconnect_at_once(case: Case, watchers: int) -> None:
    await case.hold("critic", "optimist")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("persona_review_ready", 3)
    followers = [
        await case.watch(case.stack.reviews[n % 2], caller.run_id, n % caller.last) for n in range(watchers)
    ]

    async def to_the_end(follower: Follower) -> list[run_event_pb2.RunEvent]:
        """Where the machine stalls, a database that does not answer for a second is away: it asks again."""
        try:
            return await follower.rest()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return follower.events + await case.finish(caller.run_id, follower.last)

    reading = [asyncio.create_task(to_the_end(follower)) for follower in followers]
    await case.release()

    ends = await asyncio.gather(*reading)

    assert {kinds(events)[-1] for events in ends} == {"run_completed"}


async def test_its_own_deadline_ends_a_call_and_not_the_run(case: Case) -> None:
    await case.hold("expand")
    caller = await case.stream(case.stack.reviews[0], key=case.mark, timeout=0.5)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await caller.rest()
    await case.release()
    joined = await case.stream(case.stack.reviews[1], key=case.mark)

    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert kinds(await joined.rest())[-1] == "run_completed"


async def test_cancelled_by_many_at_once_it_is_cancelled_once(case: Case) -> None:
    await case.hold("expand")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("run_started")
    clients = [await case.at(review) for review in case.stack.reviews]
    request = review_service_pb2.CancelRunRequest(run_id=caller.run_id)

    await asyncio.gather(*(clients[n % 2].review.CancelRun(request) for n in range(10)))

    assert kinds(await caller.rest()).count("run_cancelled") == 1

    async def is_closed() -> bool:
        return bool((await case.model_wait({}, run_id=caller.run_id))["total"]["in_flight"] == 0)

    await until(is_closed)
