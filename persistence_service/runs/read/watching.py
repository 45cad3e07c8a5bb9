"""A run followed through its journal: the store first, then what is added to it.

Each stream pulls a page at a time from the store, so that a slow one holds a page and nobody else up.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from consensus.v1.event_pb2 import Heartbeat, RunEvent
from consensus.v1.persistence_service_pb2 import PersistenceServiceWatchRunResponse as Response
from consensus_contract.errors import RunNotFound
from consensus_rpc.errors import SlowConsumer
from persistence_service.runs.form import names
from persistence_service.runs.form.events import run_event
from persistence_service.runs.read import repository
from persistence_service.runs.read.repository import RunHead
from persistence_service.runs.records import RunRecords
from persistence_service.runs.write.operations import RunKey

PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """The next events of a run, and where it stood when they were read."""

    events: list[RunEvent]
    head: RunHead


class Watching:
    """One stream of one run's events."""

    def __init__(
        self,
        records: RunRecords,
        stopping: asyncio.Future[None],
        context: Any,
        *,
        show_deleted: bool = False,
    ) -> None:
        """`context` is the call's; `stopping` fails with the reason when all streams are to end."""
        self._records = records
        self._stopping = stopping
        self._context = context
        self._show_deleted = show_deleted
        self._news = asyncio.Event()

    async def run(self, key: RunKey, after: int) -> None:
        """Sends every event after `after` once, and returns when the journal stands in a terminal state.

        Raises:
            RunNotFound: the tenant has no such run.
            SlowConsumer: the caller took nothing for too long.
            ShuttingDown: the process drains.
        """
        with self._records.notifier.following(key, lambda _: self._news.set()):
            self._stopping.add_done_callback(self._wake)
            try:
                await self._follow(key, after)
            finally:
                self._stopping.remove_done_callback(self._wake)

    async def _follow(self, key: RunKey, after: int) -> None:
        while True:
            self._news.clear()
            page = await self._read(key, after)
            for event in page.events:
                await self._send(Response(event=event), key, after)
                after = event.sequence
            if self._stopping.done():
                self._stopping.result()
            if after < page.head.last_sequence and page.events:
                continue
            if page.head.state not in names.OPEN:
                return
            await self._idle(key, after)

    async def _read(self, key: RunKey, after: int) -> Page:
        """Raises RunNotFound."""

        def find(connection: Connection) -> Page:
            shown = self._show_deleted
            heads = repository.find_heads(connection, [key], show_deleted=shown)
            if not heads:
                raise RunNotFound(run_id=key[1])
            stored = repository.find_events(connection, *key, after, PAGE, show_deleted=shown)
            return Page([run_event(key[1], event) for event in stored], heads[0])

        return await self._records.read(find, f"runs/{key[1]}")

    async def _idle(self, key: RunKey, after: int) -> None:
        """Waits for news, with a sign of life whenever there was none for a while."""
        while not self._news.is_set():
            try:
                async with asyncio.timeout(self._records.options.heartbeat_seconds):
                    await self._news.wait()
            except TimeoutError:
                await self._send(Response(heartbeat=Heartbeat(last_sequence=after)), key, after)

    async def _send(self, response: Response, key: RunKey, after: int) -> None:
        try:
            async with asyncio.timeout(self._records.options.slow_consumer_seconds):
                await self._context.write(response)
        except TimeoutError as error:
            raise SlowConsumer(run_id=key[1], last_sequence=after) from error

    def _wake(self, _stopping: asyncio.Future[None]) -> None:
        self._news.set()
