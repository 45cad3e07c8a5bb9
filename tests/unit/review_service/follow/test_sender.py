"""What one caller gets of a run: each event once, how many a message, and what the last of them means."""

import asyncio

import pytest

from consensus.v1 import review_service_pb2, run_event_pb2
from consensus_rpc.errors import SlowConsumer
from consensus_rpc.server.event_lists import MAX_LIST_BYTES
from review_service.follow.sender import EventSender

Message = review_service_pb2.WatchRunResponse


class Reader:
    """Stands in for a caller's transport; takes messages while `takes` is set."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.takes = asyncio.Event()
        self.takes.set()

    async def send_initial_metadata(self, _metadata: object) -> None:
        """Nothing of it is looked at."""

    async def write(self, message: Message) -> None:
        await self.takes.wait()
        self.got.append(message)


def sender_to(reader: Reader, *, slow_seconds: float = 10.0, after: int = 0) -> EventSender[Message]:
    return EventSender(
        reader, Message, "r-1", slow_seconds=slow_seconds, heartbeat_seconds=10.0, after_sequence=after
    )


def event(sequence: int, **payload: object) -> run_event_pb2.RunEvent:
    payload = payload or {"run_started": run_event_pb2.RunStarted()}
    return run_event_pb2.RunEvent(run_id="r-1", sequence=sequence, **payload)  # type: ignore[arg-type]  # one payload


async def test_events_that_are_ready_leave_in_one_message_less_those_that_the_caller_has() -> None:
    reader = Reader()

    await sender_to(reader, after=2).send([event(1), event(2), event(3), event(4)])

    assert [[each.sequence for each in message.events] for message in reader.got] == [[3, 4]]
    assert not reader.got[0].HasField("heartbeat")


async def test_nothing_new_is_no_message() -> None:
    reader = Reader()

    await sender_to(reader, after=2).send([event(1), event(2)])

    assert reader.got == []


async def test_a_message_has_at_most_256_kib_of_events() -> None:
    reader = Reader()
    step = "s" * (MAX_LIST_BYTES // 2)

    await sender_to(reader).send(
        event(sequence, step_started=run_event_pb2.StepStarted(step=step)) for sequence in (1, 2)
    )

    assert [[each.sequence for each in message.events] for message in reader.got] == [[1], [2]]


async def test_a_caller_that_takes_nothing_is_given_up_with_the_last_sequence_it_has() -> None:
    reader = Reader()
    sender = sender_to(reader, slow_seconds=0.01)
    await sender.send([event(1)])
    reader.takes.clear()

    with pytest.raises(SlowConsumer) as caught:
        await sender.send([event(2), event(3)])

    assert caught.value.metadata == {"run_id": "r-1", "last_sequence": "1"}
    assert caught.value.retryable


async def test_a_failure_that_was_resumed_since_is_not_the_ending() -> None:
    failed = event(1, run_failed=run_event_pb2.RunFailed())
    resumed = event(2, run_resumed=run_event_pb2.RunResumed())
    completed = event(3, run_completed=run_event_pb2.RunCompleted())
    annotated = event(4, decision_annotated=run_event_pb2.DecisionAnnotated())
    sender = sender_to(Reader())
    endings = []
    for happened in ([failed], [resumed], [completed], [annotated]):
        await sender.send(happened)
        endings.append(sender.ending.sequence if sender.ending is not None else None)
    at_once = sender_to(Reader())
    await at_once.send([failed, resumed])

    assert endings == [1, None, 3, 3]
    assert at_once.ending is None
