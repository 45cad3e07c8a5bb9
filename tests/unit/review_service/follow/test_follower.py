"""Following a run for a caller: order, signs of life, what comes after live events, and how it ends."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence

import grpc
import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import review_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError, DatabaseUnavailable, RunCancelled
from consensus_rpc.errors import ShuttingDown
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
        self.has_more = asyncio.Event()

    async def send_initial_metadata(self, _metadata: object) -> None:
        """Nothing of it is looked at."""

    async def write(self, message: Message) -> None:
        await self.takes.wait()
        self.got.append(message)
        self.has_more.set()

    @property
    def sequences(self) -> list[int]:
        return [sequence for each in self.lists for sequence in each]

    @property
    def lists(self) -> list[list[int]]:
        """The sequences that came together, message by message."""
        return [[event.sequence for event in message.events] for message in self.got if message.events]

    @property
    def heartbeats(self) -> list[int]:
        return [each.heartbeat.last_sequence for each in self.got if each.HasField("heartbeat")]


Told = Sequence[run_event_pb2.RunEvent] | asyncio.Event | ConsensusError
"""One message of a journal's; what is waited for before the next; or the error that ends it."""


class Journal:
    """Stands in for the persistence service: each watch gives the next part."""

    def __init__(self, *parts: Iterable[Told], run: run_pb2.Run | None = None) -> None:
        self._parts = list(parts)
        self._run = run
        self.may_answer = asyncio.Event()
        self.asked_after: list[int] = []

    def watch_run(self, _caller: Caller, _run_id: str, after: int, *, show_deleted: bool) -> "Watch":
        self.asked_after.append(after)
        return Watch(self._parts.pop(0))

    async def get_run(self, _caller: Caller, _run_id: str, *, show_deleted: bool) -> run_pb2.Run:
        await self.may_answer.wait()
        assert self._run is not None
        return self._run


class Watch:
    def __init__(self, part: Iterable[Told]) -> None:
        self._left = iter(part)

    async def read(self) -> object:
        told = next(self._left, None)
        if isinstance(told, asyncio.Event):
            await told.wait()
            return await self.read()
        if isinstance(told, ConsensusError):
            raise told
        return grpc.aio.EOF if told is None else WatchMessage(events=told)

    def cancel(self) -> None:
        pass


def follower(journal: Journal | None = None, *, draining: asyncio.Event | None = None) -> RunFollower:
    return RunFollower(
        journal or Journal(),  # type: ignore[arg-type]  # the part of the gateway that it uses
        draining or asyncio.Event(),
    )


def sender_to(reader: Reader, *, heartbeat: float = 10.0, after: int = 0) -> EventSender[Message]:
    return EventSender(
        reader, Message, "r-1", slow_seconds=10.0, heartbeat_seconds=heartbeat, after_sequence=after
    )


def event(sequence: int, **payload: object) -> run_event_pb2.RunEvent:
    payload = payload or {"run_started": run_event_pb2.RunStarted()}
    return run_event_pb2.RunEvent(run_id="r-1", sequence=sequence, **payload)  # type: ignore[arg-type]  # one payload


async def test_live_events_are_sent_in_order_as_they_come_and_the_stream_ends_with_the_run() -> None:
    live, reader = LiveEvents(), Reader()
    live.publish([event(1)])
    following = asyncio.create_task(follower().follow(CALLER, sender_to(reader), live=live))
    await asyncio.sleep(0)
    live.publish([event(2)])
    live.publish([event(3), event(4)])
    await asyncio.sleep(0.01)
    live.publish([event(5, run_completed=COMPLETED)])
    live.stop()

    await following

    assert reader.lists == [[1], [2, 3, 4], [5]]


async def test_what_becomes_durable_while_the_last_message_is_being_taken_is_sent_too() -> None:
    live, reader = LiveEvents(), Reader()
    reader.takes.clear()
    live.publish([event(1)])
    following = asyncio.create_task(follower().follow(CALLER, sender_to(reader), live=live))
    await asyncio.sleep(0)
    live.publish([event(2, run_completed=COMPLETED)])
    live.stop()
    reader.takes.set()

    await following

    assert reader.lists == [[1], [2]]


async def test_a_run_that_goes_on_elsewhere_is_followed_through_the_journal_without_a_gap() -> None:
    live, reader = LiveEvents(), Reader()
    live.publish([event(1)])
    live.stop()
    journal = Journal(
        [[event(2), event(3)], DatabaseUnavailable()],
        [[], [event(4, run_cancelled=run_event_pb2.RunCancelled())]],
    )

    with pytest.raises(RunCancelled):
        await follower(journal).follow(CALLER, sender_to(reader), live=live)

    assert reader.lists == [[1], [2, 3], [4]]
    assert journal.asked_after == [1, 3]


async def test_a_caller_to_whom_nothing_was_sent_is_told_at_once_that_persistence_is_away() -> None:
    journal = Journal([DatabaseUnavailable()])

    with pytest.raises(DatabaseUnavailable):
        await follower(journal).follow(CALLER, sender_to(Reader()))


async def test_a_process_that_shuts_down_sends_its_callers_elsewhere() -> None:
    draining = asyncio.Event()
    draining.set()
    journal = Journal([[event(1)], ShuttingDown()])

    with pytest.raises(ShuttingDown):
        await follower(journal, draining=draining).follow(CALLER, sender_to(Reader()))


async def until(
    reader: Reader, following: Coroutine[None, None, None], is_enough: Callable[[], bool]
) -> None:
    """Follows until the reader has enough, and no further."""
    task = asyncio.create_task(following)
    async with asyncio.timeout(5):
        while not is_enough():
            await reader.has_more.wait()
            reader.has_more.clear()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_silent_run_of_this_process_gives_signs_of_life_with_the_last_sequence() -> None:
    live, reader = LiveEvents(), Reader()
    live.publish([event(1)])

    following = follower().follow(CALLER, sender_to(reader, heartbeat=0.01), live=live)
    await until(reader, following, lambda: len(reader.heartbeats) == 2)

    assert reader.heartbeats == [1, 1]
    assert not any(message.events for message in reader.got[1:])


async def test_a_silent_journal_gives_signs_of_life_before_its_first_event_and_after() -> None:
    reader, more = Reader(), asyncio.Event()
    journal = Journal([more, [event(8)], asyncio.Event()])

    def is_enough() -> bool:
        if len(reader.heartbeats) == 2:
            more.set()
        return 8 in reader.heartbeats

    following = follower(journal).follow(CALLER, sender_to(reader, heartbeat=0.01, after=7))
    await until(reader, following, is_enough)

    assert reader.sequences == [8]
    assert set(reader.heartbeats[:-1]) == {7}


async def test_who_waits_for_persistence_to_come_back_gets_signs_of_life() -> None:
    reader = Reader()
    journal = Journal(
        [[event(1)], DatabaseUnavailable()],
        [DatabaseUnavailable()],  # it is asked again after 50 ms, and then after 100
        [[event(2, run_completed=COMPLETED)]],
    )

    await follower(journal).follow(CALLER, sender_to(reader, heartbeat=0.01))

    assert set(reader.heartbeats) == {1}
    assert reader.lists == [[1], [2]]


async def test_who_asks_how_a_run_ended_gets_signs_of_life() -> None:
    reader = Reader()
    journal = Journal([], run=run_pb2.Run(state=run_pb2.RUN_STATE_COMPLETED))
    following = asyncio.create_task(
        follower(journal).follow(CALLER, sender_to(reader, heartbeat=0.01, after=9))
    )
    await reader.has_more.wait()
    journal.may_answer.set()
    await following

    assert set(reader.heartbeats) == {9}


async def test_persistences_own_heartbeats_are_not_handed_on() -> None:
    reader = Reader()
    journal = Journal([[], [], [event(1, run_completed=COMPLETED)]])

    await follower(journal).follow(CALLER, sender_to(reader))

    assert len(reader.got) == 1
