"""A journal followed to its end: the store first, then what is added to it.

Each stream pulls a page at a time from the store, so that a slow one holds a page and nobody else up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from consensus_rpc.server.event_lists import EventMessage, event_lists
from consensus_rpc.server.outgoing import Outgoing
from persistence_service.journal.notifier import HeadType, Key, Notifier

PAGE = 50
"""Events that are read at once."""


class Sequenced(EventMessage, Protocol):
    """An event as it is sent."""

    @property
    def sequence(self) -> int:
        """Its place in the journal."""
        ...


Event = TypeVar("Event", bound=Sequenced)
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class EventPage(Generic[Event]):
    """The next events, and where the journal stood when they were read; nothing follows what `is_over`."""

    events: Sequence[Event]
    last_sequence: int
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal(Generic[Event, Response]):
    """What is followed: how its next page after a sequence is read, and how it is told to a caller.

    `events` makes the message of some events, `heartbeat` the sign of life, from the sequence that the
    caller has.
    """

    read: Callable[[int], Awaitable[EventPage[Event]]]
    events: Callable[[Sequence[Event]], Response]
    heartbeat: Callable[[int], Response]


class Following(Generic[Event, Response]):
    """One stream of one journal's events."""

    def __init__(
        self,
        journal: Journal[Event, Response],
        outgoing: Outgoing[Response],
        stopping: asyncio.Future[None],
        *,
        heartbeat_seconds: float,
    ) -> None:
        """`stopping` fails with the reason when all streams are to end."""
        self._journal = journal
        self._outgoing = outgoing
        self._stopping = stopping
        self._heartbeat_seconds = heartbeat_seconds
        self._news = asyncio.Event()

    async def run(self, notifier: Notifier[HeadType], key: Key, after: int) -> None:
        """Sends every event after `after` once, and returns when the journal is over.

        Raises:
            SlowConsumer: the caller took nothing for too long.
            ShuttingDown: the process drains.
            ConsensusError: what reading raises.
        """
        with notifier.following(key, self._hear, self._news.set):
            self._stopping.add_done_callback(self._hear)
            try:
                await self._follow(after)
            finally:
                self._stopping.remove_done_callback(self._hear)

    async def _follow(self, after: int) -> None:
        has_begun = False
        while True:
            self._news.clear()
            page = await self._journal.read(after)
            if not has_begun:
                # Not sooner: a call that has answered with headers is never retried by gRPC.
                await self._outgoing.begin()
                has_begun = True
            for events in event_lists(page.events):
                await self._outgoing.send(self._journal.events(events), last_sequence=after)
                after = events[-1].sequence
            if self._stopping.done():
                self._stopping.result()
            if after < page.last_sequence and page.events:
                continue
            if page.is_over:
                return
            await self._idle(after)

    async def _idle(self, after: int) -> None:
        """Waits for news, with a sign of life whenever there was none for a while."""
        while not self._news.is_set():
            try:
                async with asyncio.timeout(self._heartbeat_seconds):
                    await self._news.wait()
            except TimeoutError:
                await self._outgoing.send(self._journal.heartbeat(after), last_sequence=after)

    def _hear(self, _news: object) -> None:
        self._news.set()
