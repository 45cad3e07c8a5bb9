"""A draft followed through its journal: the store first, then what is added to it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from consensus.v1.draft_pb2 import DraftEvent
from consensus.v1.draft_service_pb2 import WatchDraftResponse as Response
from consensus.v1.event_pb2 import Heartbeat
from consensus_rpc.errors import SlowConsumer
from persistence_service.drafts import repository
from persistence_service.drafts.events import draft_event
from persistence_service.drafts.records import DraftRecords
from persistence_service.drafts.repository import DraftKey

PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """The next events of a draft, and where it stood when they were read."""

    events: list[DraftEvent]
    last_sequence: int
    is_deleted: bool


class Watching:
    """One stream of one draft's events, which pulls a page at a time from the store."""

    def __init__(self, records: DraftRecords, stopping: asyncio.Future[None], context: Any) -> None:
        """`context` is the call's; `stopping` fails with the reason when all streams are to end."""
        self._records = records
        self._stopping = stopping
        self._context = context
        self._news = asyncio.Event()

    async def run(self, key: DraftKey, after: int) -> None:
        """Sends every event after `after` once; returns when the draft is deleted.

        Raises:
            DraftNotFound: the tenant has no such draft, or it was deleted before.
            SlowConsumer: the caller took nothing for too long.
            ShuttingDown: the process drains.
        """
        with self._records.notifier.following(key, lambda _: self._news.set()):
            self._stopping.add_done_callback(self._wake)
            try:
                await self._follow(key, after)
            finally:
                self._stopping.remove_done_callback(self._wake)

    async def _follow(self, key: DraftKey, after: int) -> None:
        is_known = False
        while True:
            self._news.clear()
            page = await self._read(key, after, is_known=is_known)
            is_known = True
            for event in page.events:
                await self._send(Response(event=event), key, after)
                after = event.sequence
            if self._stopping.done():
                self._stopping.result()
            if after < page.last_sequence and page.events:
                continue
            if page.is_deleted:
                return
            await self._idle(key, after)

    async def _read(self, key: DraftKey, after: int, *, is_known: bool) -> Page:
        """Raises DraftNotFound, but not because a draft that is followed was deleted."""

        def find(connection: Connection) -> Page:
            draft = repository.find_short(connection, key, show_deleted=is_known)
            stored = repository.find_events(connection, key, after, PAGE)
            return Page(
                [draft_event(key[1], event) for event in stored],
                draft["last_sequence"],
                draft["delete_time"] is not None,
            )

        return await self._records.read(find, repository.draft_stream(key[1]))

    async def _idle(self, key: DraftKey, after: int) -> None:
        """Waits for news, with a sign of life whenever there was none for a while."""
        while not self._news.is_set():
            try:
                async with asyncio.timeout(self._records.options.heartbeat_seconds):
                    await self._news.wait()
            except TimeoutError:
                await self._send(Response(heartbeat=Heartbeat(last_sequence=after)), key, after)

    async def _send(self, response: Response, key: DraftKey, after: int) -> None:
        try:
            async with asyncio.timeout(self._records.options.slow_consumer_seconds):
                await self._context.write(response)
        except TimeoutError as error:
            raise SlowConsumer(draft_id=key[1], last_sequence=after) from error

    def _wake(self, _stopping: asyncio.Future[None]) -> None:
        self._news.set()
