"""What is to be recorded of one run, in order: merged while it waits, sent again after a cut."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, run_event_pb2
from review_service.record.events import RecordItem, item_events

MAX_PER_RECORD = 100
MAX_RECORD_BYTES = 3_000_000
"""Far below what a message may be; what is added as one is never split."""

Refusals: TypeAlias = Sequence[persistence_service_pb2.RefusedAttempt]
"""Attempts that were to begin and must not."""
Publish = Callable[[Sequence[run_event_pb2.RunEvent]], None]


@dataclass(frozen=True, slots=True)
class _RecordPart:
    attempts: Sequence[attempt_pb2.Attempt]
    items: Sequence[RecordItem]
    done: asyncio.Future[Refusals]

    def refused(self, refusals: Refusals) -> Refusals:
        """Those that are of attempts in here."""
        if not refusals:
            return ()
        mine = {(each.step, each.attempt_number) for each in self.attempts}
        return [each for each in refusals if (each.step, each.attempt_number) in mine]

    def byte_count(self) -> int:
        return sum(each.ByteSize() for each in self.attempts) + sum(each.ByteSize() for each in self.items)


@dataclass(slots=True)
class _Entry:
    record: persistence_service_pb2.Record
    parts: list[_RecordPart] = field(default_factory=list)

    def has_room_for(self, part: _RecordPart) -> bool:
        return (
            len(self.record.attempts) + len(part.attempts) <= MAX_PER_RECORD
            and len(self.record.items) + len(part.items) <= MAX_PER_RECORD
            and self.record.ByteSize() + part.byte_count() <= MAX_RECORD_BYTES
        )

    def add(self, part: _RecordPart) -> None:
        self.record.attempts.extend(part.attempts)
        self.record.items.extend(part.items)
        self.parts.append(part)


class Outbox:
    """What waits together leaves as one record; what was sent keeps its id and content.

    Records are numbered from `last_record_id` + 1; `publish` takes the events of each commit, in order.
    """

    def __init__(self, run_id: str, *, last_record_id: int, publish: Publish | None = None) -> None:
        self._run_id = run_id
        self._last_record_id = last_record_id
        self._publish = publish
        # Lists: they are short, and an empty deque takes 600 bytes.
        self._waiting: list[_RecordPart] = []
        self._to_send_again: list[_Entry] = []
        self._unacknowledged: list[_Entry] = []

    @property
    def is_empty(self) -> bool:
        """Whether everything that was added is acknowledged."""
        return not (self._waiting or self._to_send_again or self._unacknowledged)

    def add(
        self, attempts: Sequence[attempt_pb2.Attempt], items: Sequence[RecordItem]
    ) -> asyncio.Future[Refusals]:
        """Queues what is to be committed together; the future ends with its acknowledgement.

        A waiter that is cancelled takes nothing back: what was added is recorded all the same.
        """
        done: asyncio.Future[Refusals] = asyncio.get_running_loop().create_future()
        self._waiting.append(_RecordPart(attempts, items, done))
        return done

    def take(self) -> persistence_service_pb2.Record | None:
        """The next record to send, None when there is none."""
        if self._to_send_again:
            entry = self._to_send_again.pop(0)
        elif self._waiting:
            entry = self._merged()
        else:
            return None
        self._unacknowledged.append(entry)
        return entry.record

    def _merged(self) -> _Entry:
        self._last_record_id += 1
        entry = _Entry(persistence_service_pb2.Record(record_id=self._last_record_id))
        entry.add(self._waiting.pop(0))
        while self._waiting and entry.has_room_for(self._waiting[0]):
            entry.add(self._waiting.pop(0))
        return entry

    def acknowledged(self, ack: persistence_service_pb2.RecordAck) -> None:
        """Publishes the events of the oldest record in flight and ends its futures.

        Raises:
            ValueError: when the acknowledgement is of another record.
        """
        entry = self._unacknowledged.pop(0) if self._unacknowledged else None
        if entry is None or entry.record.record_id != ack.record_id:
            raise ValueError(f"record {ack.record_id} was acknowledged out of order")
        if self._publish is not None:
            self._publish(item_events(self._run_id, ack.first_sequence, ack.event_time, entry.record.items))
        for part in entry.parts:
            if not part.done.done():
                part.done.set_result(part.refused(ack.refused_attempts))

    def rewind(self) -> None:
        """Marks everything unacknowledged to be sent again, first and in order, with the same ids."""
        self._to_send_again[:0] = self._unacknowledged
        self._unacknowledged.clear()

    def fail(self, error: Exception) -> None:
        """Ends every future with the error; nothing is sent any more."""
        entries = (*self._unacknowledged, *self._to_send_again)
        parts = [part for entry in entries for part in entry.parts] + list(self._waiting)
        for queue in (self._unacknowledged, self._to_send_again, self._waiting):
            queue.clear()
        for part in parts:
            if not part.done.done():
                part.done.set_exception(error)
                # Its waiter may be gone; the error is not lost then, it ends the run's work.
                part.done.exception()
