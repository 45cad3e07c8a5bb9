"""A draft followed through its journal."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection

from consensus.v1 import draft_pb2, draft_service_pb2, heartbeat_pb2
from consensus_contract.errors import SequenceOutOfRange
from consensus_rpc.server.outgoing import Outgoing, StreamWriter
from persistence_service.drafts import repository
from persistence_service.drafts.access import DraftAccess
from persistence_service.drafts.events import draft_event
from persistence_service.drafts.repository import DraftKey
from persistence_service.journal.following import PAGE, EventPage, Following, Journal


async def watch_draft(
    drafts: DraftAccess,
    stopping: asyncio.Future[None],
    context: StreamWriter[draft_service_pb2.WatchDraftResponse],
    key: DraftKey,
    after: int,
) -> None:
    """Sends every event after `after` once; returns when the draft is deleted.

    Raises:
        DraftNotFound: the tenant has no such draft, or it was deleted before.
        SequenceOutOfRange: it is deleted meanwhile, and has no such sequence.
        SlowConsumer: the caller took nothing for too long.
        ShuttingDown: the process drains.
    """
    options = drafts.options
    outgoing = Outgoing(context, slow_seconds=options.slow_consumer_seconds, draft_id=key[1])
    journal = Journal(read=_DraftPages(drafts, key).read, events=_events, heartbeat=_heartbeat)
    following = Following(journal, outgoing, stopping, heartbeat_seconds=options.heartbeat_seconds)
    await following.run(drafts.notifier, key, after)


class _DraftPages:
    """A draft's events; one that is deleted while it is followed is read to its end."""

    def __init__(self, drafts: DraftAccess, key: DraftKey) -> None:
        self._drafts = drafts
        self._key = key
        self._is_known = False

    async def read(self, after: int) -> EventPage[draft_pb2.DraftEvent]:
        stream = repository.draft_stream(self._key[1])
        page = await self._drafts.read(self._key[0], lambda connection: self._find(connection, after), stream)
        self._is_known = True
        return page

    def _find(self, connection: Connection, after: int) -> EventPage[draft_pb2.DraftEvent]:
        draft = repository.find_short(connection, self._key, show_deleted=self._is_known)
        stored = repository.find_events(connection, self._key, after, PAGE)
        events = [draft_event(self._key[1], event) for event in stored]
        last, is_over = draft["last_sequence"], draft["delete_time"] is not None
        if is_over and after > last:
            raise SequenceOutOfRange(after_sequence=after, last_sequence=last, draft_id=self._key[1])
        return EventPage(events, last, is_over=is_over)


def _events(events: Sequence[draft_pb2.DraftEvent]) -> draft_service_pb2.WatchDraftResponse:
    return draft_service_pb2.WatchDraftResponse(events=events)


def _heartbeat(after: int) -> draft_service_pb2.WatchDraftResponse:
    return draft_service_pb2.WatchDraftResponse(heartbeat=heartbeat_pb2.Heartbeat(last_sequence=after))
