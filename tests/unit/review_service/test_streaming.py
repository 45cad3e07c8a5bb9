"""Sending events to one caller: order, signs of life, and a bound on waiting."""

import asyncio

import pytest

from consensus.v1 import event_pb2, review_service_pb2
from consensus_rpc.errors import SlowConsumer
from review_service.follow.journal import follow_feed
from review_service.follow.sender import EventSender
from review_service.record.live_events import Feed

Message = review_service_pb2.StreamReviewResponse


class Caller:
    """Stands in for a transport; takes messages while `takes` is set."""

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


def sender_to(caller: Caller, slow_seconds: float = 10.0, after: int = 0) -> EventSender[Message]:
    return EventSender(caller, Message, "r-1", slow_seconds=slow_seconds, after_sequence=after)


def event(sequence: int, **payload: object) -> event_pb2.RunEvent:
    payload = payload or {"run_started": event_pb2.RunStarted()}
    return event_pb2.RunEvent(run_id="r-1", sequence=sequence, **payload)  # type: ignore[arg-type]  # one payload


async def test_events_are_sent_in_order_as_they_come_and_the_stream_ends_with_the_feed() -> None:
    feed, caller = Feed(), Caller()
    feed.publish(event(1))
    following = asyncio.create_task(follow_feed(feed, sender_to(caller), 10.0))
    await asyncio.sleep(0)
    feed.publish(event(2))
    feed.publish(event(3))
    feed.stop()

    await following

    assert caller.sequences == [1, 2, 3]


async def test_an_event_that_the_caller_has_is_not_sent_again() -> None:
    caller = Caller()
    sender = sender_to(caller, after=2)

    for sequence in (1, 2, 3):
        await sender.send(event(sequence))

    assert caller.sequences == [3]


async def test_silence_is_broken_by_heartbeats_that_carry_the_last_sequence() -> None:
    feed, caller = Feed(), Caller()
    feed.publish(event(1))
    following = asyncio.create_task(follow_feed(feed, sender_to(caller), 0.01))

    async with asyncio.timeout(5):
        await caller.has_three.wait()
    following.cancel()

    assert [message.heartbeat.last_sequence for message in caller.got[1:3]] == [1, 1]


async def test_a_caller_that_takes_nothing_is_given_up_with_the_last_sequence_it_has() -> None:
    caller = Caller()
    sender = sender_to(caller, slow_seconds=0.01)
    await sender.send(event(1))
    caller.takes.clear()

    with pytest.raises(SlowConsumer) as caught:
        await sender.send(event(2))

    assert caught.value.metadata == {"run_id": "r-1", "last_sequence": "1"}


async def test_a_failure_that_was_resumed_since_is_not_the_ending() -> None:
    sender = sender_to(Caller())
    endings = []
    for happened in (
        event(1, run_failed=event_pb2.RunFailed()),
        event(2, run_resumed=event_pb2.RunResumed()),
        event(3, run_completed=event_pb2.RunCompleted()),
        event(4, decision_annotated=event_pb2.DecisionAnnotated()),
    ):
        await sender.send(happened)
        endings.append(sender.ending.sequence if sender.ending is not None else None)

    assert endings == [1, None, 3, 3]
