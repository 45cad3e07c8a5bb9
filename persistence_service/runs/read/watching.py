"""A run followed through its journal."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import heartbeat_pb2, run_event_pb2
from consensus_contract.errors import RunNotFound, SequenceOutOfRange
from consensus_rpc.server.outgoing import Outgoing, StreamWriter
from persistence_service.journal.following import PAGE, EventPage, Following, Journal
from persistence_service.journal.notifier import Notifier
from persistence_service.runs.form import names
from persistence_service.runs.form.events import run_event
from persistence_service.runs.form.keys import RunHead, RunKey
from persistence_service.runs.read import repository
from persistence_service.runs.read.reader import RunReader


class RunWatch:
    """One stream of one run's events."""

    def __init__(
        self,
        reader: RunReader,
        notifier: Notifier[RunHead],
        context: StreamWriter[persistence_service_pb2.WatchRunResponse],
        *,
        show_deleted: bool = False,
    ) -> None:
        self._reader = reader
        self._notifier = notifier
        self._context = context
        self._show_deleted = show_deleted

    async def run(self, key: RunKey, after: int, stopping: asyncio.Future[None]) -> None:
        """Sends every event after `after` once, and returns when the journal stands in a terminal state.

        `stopping` fails with the reason when all streams are to end.

        Raises:
            RunNotFound: the tenant has no such run.
            SequenceOutOfRange: the run is over, and has no such sequence.
            SlowConsumer: the caller took nothing for too long.
            ShuttingDown: the process drains.
        """
        options = self._reader.options
        outgoing = Outgoing(self._context, slow_seconds=options.slow_consumer_seconds, run_id=key[1])
        journal = Journal(read=lambda after: self._read(key, after), events=_events, heartbeat=_heartbeat)
        following = Following(journal, outgoing, stopping, heartbeat_seconds=options.heartbeat_seconds)
        await following.run(self._notifier, key, after)

    async def _read(self, key: RunKey, after: int) -> EventPage[run_event_pb2.RunEvent]:
        """The next page; where it ends, and whether it may be seen, is what the primary says.

        The events of a run that is over, and a page of which more follow, may come from a replica, if it has
        all of them: they never change.
        """

        def find(connection: Connection) -> tuple[EventPage[run_event_pb2.RunEvent], int]:
            heads = repository.find_heads(connection, [key], show_deleted=self._show_deleted)
            if not heads:
                raise RunNotFound(run_id=key[1])
            last, is_over = heads[0].last_sequence, heads[0].state not in names.OPEN
            if is_over and after > last:
                raise SequenceOutOfRange(after_sequence=after, last_sequence=last, run_id=key[1])
            left = min(PAGE, last - after)
            if self._reader.has_replica and left > 0 and (is_over or left == PAGE):
                return EventPage((), last, is_over=is_over), left
            return EventPage(self._find(connection, key, after), last, is_over=is_over), 0

        page, elsewhere = await self._reader.read(key[0], find, f"runs/{key[1]}")
        if not elsewhere:
            return page
        events = await self._reader.read(
            key[0],
            lambda connection: self._find(connection, key, after),
            f"runs/{key[1]}",
            may_be_stale=True,
            suffices=lambda found: len(found) >= elsewhere,
        )
        return replace(page, events=events)

    def _find(self, connection: Connection, key: RunKey, after: int) -> list[run_event_pb2.RunEvent]:
        # What was deleted and restored may be deleted still where this is read.
        stored = repository.find_events(connection, *key, after, PAGE, show_deleted=True)
        return [run_event(key[1], event) for event in stored]


def _events(events: Sequence[run_event_pb2.RunEvent]) -> persistence_service_pb2.WatchRunResponse:
    return persistence_service_pb2.WatchRunResponse(events=events)


def _heartbeat(after: int) -> persistence_service_pb2.WatchRunResponse:
    heartbeat = heartbeat_pb2.Heartbeat(last_sequence=after)
    return persistence_service_pb2.WatchRunResponse(heartbeat=heartbeat)
