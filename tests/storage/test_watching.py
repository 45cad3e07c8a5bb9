"""A run can be followed from any sequence, at any replica, without a gap or a repetition."""

import asyncio
import dataclasses
from collections.abc import AsyncIterable
from typing import Any

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import proposal_pb2, run_event_pb2
from consensus_contract.errors import RunNotFound, SequenceOutOfRange
from consensus_contract.sizes import PROPOSAL_BYTES
from consensus_rpc.errors import ShuttingDown, SlowConsumer
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY
from persistence_service.database import Database
from persistence_service.journal.following import PAGE
from tests.storage.conftest import QUICK
from tests.support.records import (
    Service,
    failure,
    happy_records,
    new_id,
    proposal,
    record,
    scope,
)

LENGTH = 3 + sum(len(each.items) for each in happy_records())


def request(run_id: str, after: int = 0) -> persistence_service_pb2.WatchRunRequest:
    return persistence_service_pb2.WatchRunRequest(scope=scope(), run_id=run_id, after_sequence=after)


def sequences(events: list[run_event_pb2.RunEvent]) -> list[int]:
    return [event.sequence for event in events]


async def test_a_finished_run_is_replayed_from_any_sequence(
    service: Service, second_service: Service
) -> None:
    async with service.created() as worker:
        await worker.finish()
    for after in range(LENGTH + 1):
        assert sequences(await second_service.events(worker.run_id, after)) == list(
            range(after + 1, LENGTH + 1)
        )


async def test_a_running_run_is_followed_to_its_end_at_every_replica(
    service: Service, second_service: Service
) -> None:
    async with service.created() as worker:
        watchers = [
            asyncio.create_task(each.events(worker.run_id, after))
            for each in (service, second_service)
            for after in (0, 2, 5)
        ]
        await worker.finish()
        for watcher, after in zip(watchers, (0, 2, 5) * 2, strict=True):
            assert sequences(await watcher) == list(range(after + 1, LENGTH + 1))


async def test_an_event_reaches_a_watcher_while_the_run_goes_on(
    service: Service, second_service: Service
) -> None:
    async with service.created() as worker:
        call = second_service.stub.WatchRun(request(worker.run_id, after=3))
        await worker.record(happy_records()[0])
        assert (await _next_event(call)).HasField("proposal_ready")
        call.cancel()


async def _next_event(
    messages: AsyncIterable[persistence_service_pb2.WatchRunResponse],
) -> run_event_pb2.RunEvent:
    async for message in messages:
        for event in message.events:
            return event
    raise AssertionError


async def test_a_run_that_was_resumed_is_not_ended_at_its_earlier_failure(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
    assert (await service.events(worker.run_id))[-1].HasField("run_failed")
    await service.resume(worker.run_id)
    watcher = asyncio.create_task(service.events(worker.run_id))
    (claimed,) = await service.claim()
    async with service.attached(worker.run_id, claimed.lease.fencing_token) as heir:
        await heir.record(record(3, run_event_pb2.RunFailed(failure=failure())))
    kinds = [event.WhichOneof("payload") for event in await watcher]
    assert kinds[3:] == ["run_failed", "run_resumed", "run_failed"]


async def watched(service: Service, run_id: str) -> list[persistence_service_pb2.WatchRunResponse]:
    return [message async for message in service.stub.WatchRun(request(run_id))]


async def test_what_is_ready_comes_in_one_message(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
    (message,) = await watched(service, worker.run_id)
    assert sequences(list(message.events)) == list(range(1, LENGTH + 1))
    assert not message.HasField("heartbeat")


async def test_an_event_that_fills_a_message_goes_alone(service: Service) -> None:
    text = "x" * 4000
    large = proposal()
    large.MergeFrom(proposal_pb2.Proposal(assumptions=[text] * 48, scope_non_goals=[text] * 17))
    large.raw_expanded_proposal = ""
    large.raw_expanded_proposal = "x" * (PROPOSAL_BYTES - large.ByteSize() - 3)
    async with service.created() as worker:
        ready = run_event_pb2.ProposalReady(proposal=large)
        await worker.record(record(2, ready, run_event_pb2.RunFailed(failure=failure())))
    messages = await watched(service, worker.run_id)
    assert [sequences(list(message.events)) for message in messages] == [[1, 2, 3], [4], [5]]


async def test_long_runs_are_read_a_page_at_a_time(service: Service) -> None:
    started = [run_event_pb2.StepStarted(step="expand")] * 90
    async with service.created() as worker:
        await worker.record(record(2, *started))
        await worker.record(record(3, *started))
        await worker.record(record(4, run_event_pb2.RunFailed(failure=failure())))
    events = await service.events(worker.run_id)
    assert len(events) > 3 * PAGE
    assert sequences(events) == list(range(1, len(events) + 1))


async def test_a_sign_of_life_comes_when_nothing_happens(service: Service) -> None:
    async with service.created() as worker:
        async for message in service.stub.WatchRun(request(worker.run_id)):
            if message.HasField("heartbeat"):
                assert (message.heartbeat.last_sequence, len(message.events)) == (3, 0)
                break


async def test_a_quiet_stream_answers_with_its_headers_at_once(database: Database) -> None:
    async with (
        Service(database, dataclasses.replace(QUICK, heartbeat_seconds=3600.0)) as service,
        service.created() as worker,
    ):
        call = service.stub.WatchRun(request(worker.run_id, after=3), metadata=((REQUEST_ID_KEY, "quiet"),))
        headers = await asyncio.wait_for(call.initial_metadata(), 10)
        assert dict(headers)[REQUEST_ID_KEY] == "quiet"
        call.cancel()


async def test_a_sequence_that_a_run_will_not_have_is_out_of_range(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
    last = (await service.run(worker.run_id)).last_sequence
    assert await service.events(worker.run_id, after=last) == []
    with pytest.raises(SequenceOutOfRange) as caught:
        await service.events(worker.run_id, after=last + 1)
    assert caught.value.metadata["last_sequence"] == str(last)


async def test_a_sequence_that_a_run_may_have_yet_is_waited_for(service: Service) -> None:
    async with service.created() as worker:
        watching = asyncio.create_task(service.events(worker.run_id, after=4))
        await worker.finish()
        assert (await watching)[0].sequence == 5


async def test_a_run_that_is_not_there_cannot_be_watched(service: Service) -> None:
    with pytest.raises(RunNotFound):
        await service.events(new_id())


async def test_watchers_are_sent_elsewhere_when_the_service_drains(service: Service) -> None:
    async with service.created() as worker:
        watcher = asyncio.create_task(service.events(worker.run_id))
        await asyncio.sleep(0)
        service.servicer.drain()
        with pytest.raises(ShuttingDown):
            await watcher


async def test_many_watchers_share_the_events_and_one_poll(service: Service) -> None:
    async with service.created() as worker:
        watchers = [asyncio.create_task(service.events(worker.run_id)) for _ in range(40)]
        await worker.finish()
        for events in await asyncio.gather(*watchers):
            assert sequences(events) == list(range(1, LENGTH + 1))


class StalledContext:
    """A call whose reader takes nothing."""

    async def send_initial_metadata(self, _metadata: object) -> None:
        pass

    async def write(self, _message: object) -> None:
        await asyncio.Event().wait()


async def test_a_reader_that_takes_nothing_is_let_go(database: Database) -> None:
    async with Service(database, dataclasses.replace(QUICK, slow_consumer_seconds=0.05)) as service:
        run = await service.queued()
        stalled: Any = StalledContext()
        with pytest.raises(SlowConsumer) as caught:
            await service.servicer.WatchRun(request(run.run_id), stalled)
    assert caught.value.metadata == {"run_id": run.run_id, "last_sequence": "0"}
