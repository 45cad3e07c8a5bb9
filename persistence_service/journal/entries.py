"""Entries of the journal on their way in, and the chain that they are put into. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from consensus_journal import Entry, entry_hash
from persistence_service.schema.scalars import microseconds

Columns = dict[str, Any]


class EntrySeverity(IntEnum):
    """How much an entry matters; the numbers are those of the standard library's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What an entry says, before it has a place in its stream."""

    event_type: str
    data: dict[str, Any] = field(default_factory=dict)
    severity: EntrySeverity = EntrySeverity.INFO
    persona_id: str | None = None
    payload_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused an entry, and in which request."""

    caller: str
    user: str
    request_id: str


NOBODY = Actor(caller="", user="", request_id="")
"""Who acts in the background."""


@dataclass(slots=True)
class ChainEnd:
    """Where a stream ends; moves with every entry that is chained to it."""

    tenant: str
    stream: str
    sequence: int
    hash: bytes

    def chain(self, new: NewEntry, actor: Actor, time: datetime, record_id: int | None) -> Entry:
        """Makes an entry the next one."""
        entry = Entry(
            tenant=self.tenant,
            stream=self.stream,
            sequence=self.sequence + 1,
            event_time_us=microseconds(time),
            event_type=new.event_type,
            caller=actor.caller,
            user=actor.user,
            request_id=actor.request_id,
            severity=new.severity,
            persona_id=new.persona_id,
            data=new.data,
            record_id=record_id,
            payload_digest=new.payload_digest,
            previous_hash=self.hash,
        )
        self.sequence, self.hash = entry.sequence, entry_hash(entry)
        return entry


RUN_STREAMS = "runs/"
"""What the streams of runs begin with."""


def run_stream(run_id: str) -> str:
    """The stream of a run's entries."""
    return RUN_STREAMS + run_id
