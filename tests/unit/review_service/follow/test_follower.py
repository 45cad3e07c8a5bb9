"""Following a run for a caller: order, signs of life, what comes after live events, and how it ends."""

import asyncio
from collections.abc import Iterable

import grpc
import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import review_service_pb2, run_event_pb2
from consensus_contract.errors import ConsensusError, DatabaseUnavailable, RunCancelled
from consensus_rpc.errors import ShuttingDown, SlowConsumer
from review_service.follow.follower import RunFollower
from review_service.follow.sender import EventSender
from review_service.record.gateway import Caller
from review_service.record.live_events import LiveEvents

Message = review_service_pb2.StreamReviewResponse
WatchMessage = persistence_service_pb2.WatchRunResponse
CALLER = Caller(persistence_service_pb2.CallScope(), None)
COMPLETED = run_event_pb2.RunCompleted()


class Reader:
    """Stands in for a caller's transport; takes messages while `takes` is set."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.has_three = asyncio.Event()

    async def write(self, message: Message) -> None:
        await self.takes.wait()
        self.got.append(message)
        if len(self.got) == 3:
            self.has_three.set()

    @property
    def sequences(self) -> list[int]:
        return [message.event.sequence for message in self.got if message.HasField("event")]


class Journal:
    """Stands in for the persistence service: each watch gives the next part, an error ends one."""

    def __init__(self, *parts: Iterable[run_event_pb2.RunEvent | ConsensusError]) -> None:
        self._parts = list(parts)
        self.asked_after: list[int] = []

    def watch_run(self, _caller: Caller, _run_id: str, after: int, *, show_deleted: bool) -> "Watch":
        self.asked_after.append(after)
        return Watch(self._parts.pop(0))


class Watch:
    def __init__(self, part: Iterable[run_event_pb2.RunEvent | ConsensusError]) -> None:
        self._left = iter(part)

    async def read(self) -> object:
        message = next(self._left, None)
        if isinstance(message, ConsensusError):
            raise message
        return grpc.aio.EOF if message is None else WatchMessage(event=message)

    def cancel(self) -> None:
        pass


def follower(
    journal: Journal | None = None, *, heartbeat: float = 10.0, draining: asyncio.Event | None = None
) -> RunFollower:
    return RunFollower(
        journal or Journal(),  # type: ignore[arg-type]  # the part of the gateway that it uses
        draining or asyncio.Event(),
        heartbeat_seconds=heartbeat,
    )


def sender_to(reader: Reader, slow_seconds: float = 10.0, after: int = 0) -> EventSender[Message]:
    return EventSender(reader, Message, "r-1", slow_seconds=slow_seconds, after_sequence=after)


def event(sequence: int, **payload: object) -> run_event_pb2.RunEvent:
    payload = payload or {"run_started": run_event_pb2.RunStarted()}
    return run_event_pb2.RunEvent(run_id="r-1", sequence=sequence, **payload)  # type: ignore[arg-type]  # one payload


async def test_live_events_are_sent_in_order_as_they_come_and_the_stream_ends_with_the_run() -> None:
    live, reader = LiveEvents(), Reader()
    live.publish(event(1))
    following = asyncio.create_task(follower().follow(CALLER, sender_to(reader), live=live))
    await asyncio.sleep(0)
    live.publish(event(2))
    live.publish(event(3, run_completed=COMPLETED))
    live.stop()

    await following

    assert reader.sequences == [1, 2, 3]


async def test_a_run_that_goes_on_elsewhere_is_followed_through_the_journal_without_a_gap() -> None:
    live, reader = LiveEvents(), Reader()
    live.publish(event(1))
    live.stop()
    journal = Journal(
        [event(2), DatabaseUnavailable()], [event(3, run_cancelled=run_event_pb2.RunCancelled())]
    )

    with pytest.raises(RunCancelled):
        await follower(journal).follow(CALLER, sender_to(reader), live=live)

    assert reader.sequences == [1, 2, 3]
    assert journal.asked_after == [1, 2]


async def test_a_caller_to_whom_nothing_was_sent_is_told_at_once_that_persistence_is_away() -> None:
    journal = Journal([DatabaseUnavailable()])

    with pytest.raises(DatabaseUnavailable):
        await follower(journal).follow(CALLER, sender_to(Reader()))


async def test_a_process_that_shuts_down_sends_its_callers_elsewhere() -> None:
    draining = asyncio.Event()
    draining.set()
    journal = Journal([event(1), ShuttingDown()])

    with pytest.raises(ShuttingDown):
        await follower(journal, draining=draining).follow(CALLER, sender_to(Reader()))


async def test_an_event_that_the_caller_has_is_not_sent_again() -> None:
    reader = Reader()
    sender = sender_to(reader, after=2)

    for sequence in (1, 2, 3):
        await sender.send(event(sequence))

    assert reader.sequences == [3]


async def test_silence_is_broken_by_heartbeats_that_carry_the_last_sequence() -> None:
    live, reader = LiveEvents(), Reader()
    live.publish(event(1))
    following = asyncio.create_task(follower(heartbeat=0.01).follow(CALLER, sender_to(reader), live=live))

    async with asyncio.timeout(5):
        await reader.has_three.wait()
    following.cancel()

    assert [message.heartbeat.last_sequence for message in reader.got[1:3]] == [1, 1]


async def test_a_caller_that_takes_nothing_is_given_up_with_the_last_sequence_it_has() -> None:
    reader = Reader()
    sender = sender_to(reader, slow_seconds=0.01)
    await sender.send(event(1))
    reader.takes.clear()

    with pytest.raises(SlowConsumer) as caught:
        await sender.send(event(2))

    assert caught.value.metadata == {"run_id": "r-1", "last_sequence": "1"}


async def test_a_failure_that_was_resumed_since_is_not_the_ending() -> None:
    sender = sender_to(Reader())
    endings = []
    for happened in (
        event(1, run_failed=run_event_pb2.RunFailed()),
        event(2, run_resumed=run_event_pb2.RunResumed()),
        event(3, run_completed=COMPLETED),
        event(4, decision_annotated=run_event_pb2.DecisionAnnotated()),
    ):
        await sender.send(happened)
        endings.append(sender.ending.sequence if sender.ending is not None else None)

    assert endings == [1, None, 3, 3]
