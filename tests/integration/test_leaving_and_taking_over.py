"""Callers that leave, processes that die, stop or drain: the run goes on, and nothing is paid for twice."""

import asyncio
import signal
from typing import Any

import grpc
import pytest

from consensus.v1 import review_service_pb2, run_event_pb2, run_pb2
from offline_model.script import Rule
from tests.integration.conftest import StartPair
from tests.support.pair import Client, Pair, kinds, review_request, until

CANCEL = review_service_pb2.ON_DISCONNECT_CANCEL
QUICK_LEASES = {"LEASE_SECONDS": "1", "WATCH_POLL_SECONDS": "0.1"}


async def begin(client: Client, idea: str, **fields: Any) -> tuple[Any, str, list[run_event_pb2.RunEvent]]:
    """A stream whose run has begun, the run's id, and what came with it."""
    stream = client.review.StreamReview(review_request(idea, **fields))
    events = list((await stream.read()).events)
    return stream, events[0].run_id, events


async def rest(stream: Any) -> list[run_event_pb2.RunEvent]:
    events: list[run_event_pb2.RunEvent] = []
    while (message := await stream.read()) is not grpc.aio.EOF:
        events += message.events
    return events


async def test_a_run_goes_on_when_its_caller_leaves(client: Client, idea: str, mark: str) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    stream, run_id, _ = await begin(client, idea)

    stream.cancel()
    await client.model.release(mark)

    assert kinds(await client.watch(run_id))[-1] == "run_completed"


async def test_a_run_is_cancelled_with_its_caller_if_that_was_asked_for(
    client: Client, idea: str, mark: str
) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    stream, run_id, _ = await begin(client, idea, on_disconnect=CANCEL)
    await client.model.wait({"held": 1}, run_id=run_id)

    stream.cancel()
    await client.model.wait({"aborted": 1}, run_id=run_id)

    async def is_cancelled() -> bool:
        return bool((await client.get(run_id)).state == run_pb2.RUN_STATE_CANCELLED)

    await until(is_cancelled)


async def test_a_stream_that_joined_does_not_cancel_the_run(client: Client, idea: str, mark: str) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    stream, _, _ = await begin(client, idea, key=mark)
    joined, run_id, _ = await begin(client, idea, key=mark, on_disconnect=CANCEL)

    joined.cancel()
    await client.model.release(mark)

    assert kinds(await rest(stream))[-1] == "run_completed"
    assert (await client.get(run_id)).state == run_pb2.RUN_STATE_COMPLETED


async def test_a_completed_stream_cancels_nothing(client: Client, idea: str) -> None:
    events = await client.stream(idea, on_disconnect=CANCEL)

    assert (await client.get(events[0].run_id)).state == run_pb2.RUN_STATE_COMPLETED


async def _three_reviews_in(
    pair: Pair, client: Client, idea: str
) -> tuple[Any, str, list[run_event_pb2.RunEvent]]:
    """A run of which three reviews are recorded, while the model holds the other two."""
    for persona in ("critic", "optimist"):
        await client.model.script(Rule(persona=persona, hold="two", times=1))
    stream, run_id, seen = await begin(client, idea)
    while kinds(seen).count("persona_review_ready") < 3:
        seen += (await stream.read()).events
    return stream, run_id, seen


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_another_process_finishes_what_a_killed_one_left_and_asks_only_what_is_missing(
    start_pair: StartPair, idea: str, database: str
) -> None:
    pair = start_pair(database=database, persistence=QUICK_LEASES)
    assert pair.review is not None
    other = await asyncio.to_thread(pair.start_another_review)
    async with pair.client() as client, pair.client(other.address) as elsewhere:
        _, run_id, seen = await _three_reviews_in(pair, client, idea)
        watching = asyncio.create_task(elsewhere.watch(run_id))

        pair.review.kill()
        events = await watching

        assert kinds(events)[-1] == "run_completed"
        assert "run_taken_over" in kinds(events)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        done = [
            event.persona_review_ready.persona_review.persona_id
            for event in seen
            if event.HasField("persona_review_ready")
        ]
        for persona in done:
            assert (await client.model.counters(run_id=run_id, persona=persona))["total"]["started"] == 1
        for persona in ("critic", "optimist"):
            assert (await client.model.counters(run_id=run_id, persona=persona))["total"]["started"] == 2


async def test_a_caller_of_a_process_that_lost_its_lease_notices_nothing(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair(persistence=QUICK_LEASES)
    assert pair.review is not None
    other = await asyncio.to_thread(pair.start_another_review)
    async with pair.client() as client, pair.client(other.address) as elsewhere:
        stream, run_id, seen = await _three_reviews_in(pair, client, idea)

        pair.review.send(signal.SIGSTOP)
        taken = await elsewhere.watch(run_id)
        pair.review.send(signal.SIGCONT)
        late = await rest(stream)

        assert kinds(taken)[-1] == kinds(late)[-1] == "run_completed"
        sequences = [event.sequence for event in (*seen, *late)]
        assert sequences == list(range(1, len(taken) + 1))
        await client.model.wait({"aborted": 2}, run_id=run_id)


async def test_a_run_outlives_a_restart_of_persistence_and_its_caller_notices_nothing(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair()
    assert pair.persistence is not None
    async with pair.client() as client:
        stream, run_id, seen = await _three_reviews_in(pair, client, idea)

        pair.persistence.kill()
        await client.model.release("two")
        await asyncio.to_thread(pair.restart_persistence)
        late = await rest(stream)

        assert kinds(late)[-1] == "run_completed"
        assert [event.sequence for event in (*seen, *late)] == list(range(1, 25))
        assert (await client.model.counters(run_id=run_id))["total"]["started"] == 6


async def test_what_a_draining_process_cannot_finish_is_given_back_at_once(
    start_pair: StartPair, idea: str
) -> None:
    pair = start_pair(persistence={"LEASE_SECONDS": "300", "WATCH_POLL_SECONDS": "0.1"})
    assert pair.review is not None
    replica = await asyncio.to_thread(pair.start_another_review, DRAIN_GRACE_SECONDS="1.5")
    async with pair.client() as elsewhere, pair.client(replica.address) as client:
        _, run_id, _ = await _three_reviews_in(pair, client, idea)

        replica.send(signal.SIGTERM)
        async with asyncio.timeout(20):
            events = await elsewhere.watch(run_id)

        taken_over = [event.run_taken_over for event in events if event.HasField("run_taken_over")]
        assert [each.released for each in taken_over] == [True]
        assert kinds(events)[-1] == "run_completed"
        assert await asyncio.to_thread(replica.popen.wait, 30) == 0


async def test_queued_runs_are_done_by_whoever_has_room(start_pair: StartPair, idea: str) -> None:
    pair = start_pair(review={"MAX_RUNS_IN_FLIGHT": "2"})
    async with pair.client() as client:
        started = [
            await client.review.StartReview(
                review_service_pb2.StartReviewRequest(review=review_service_pb2.ReviewInput(idea=idea))
            )
            for _ in range(5)
        ]

        runs = await asyncio.gather(*(client.watch(each.run.run_id) for each in started))

        assert [kinds(events)[-1] for events in runs] == ["run_completed"] * 5
        assert (await client.model.counters())["total"]["started"] == 30
