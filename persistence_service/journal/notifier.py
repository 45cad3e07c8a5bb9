"""Wakes those who own runs, or follow runs or drafts, when something was committed. The store decides:
wake-ups are hints.

One notifier per process and kind: whoever commits tells it, and one query per interval over all that anybody
follows finds what other processes did.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.admission import unread_tenants

log = get_logger()

POLL_CHUNK = 500

Key = tuple[str, str]


class FollowedHead(Protocol):
    """Where something that is followed stands; its sequence and its token only rise."""

    @property
    def key(self) -> Key:
        """Tenant and id."""
        ...

    @property
    def version(self) -> tuple[int, int]:
        """Token and sequence: of two heads of one key the greater is the newer."""
        ...


HeadType = TypeVar("HeadType", bound=FollowedHead)
FindHeads = Callable[[Connection, Sequence[Key]], Sequence[HeadType]]


class Subscription(Generic[HeadType]):
    """One follower of one key."""

    __slots__ = ("_on_change", "head", "key", "leave")

    def __init__(self, key: Key, on_change: Callable[[HeadType], None], on_leave: Callable[[], None]) -> None:
        self.key = key
        self.head: HeadType | None = None
        self.leave = on_leave
        self._on_change = on_change

    def tell(self, head: HeadType) -> None:
        """Calls back if this is news."""
        if self.head is None or head.version > self.head.version:
            self.head = head
            self._on_change(head)


class Notifier(Generic[HeadType]):
    """Keeps the subscriptions of one process; lives on its event loop."""

    def __init__(self, database: Database, find_heads: FindHeads[HeadType], poll_seconds: float) -> None:
        """`find_heads` reads where some keys stand."""
        self._database = database
        self._find_heads = find_heads
        self._poll_seconds = poll_seconds
        self._followers: dict[Key, set[Subscription[HeadType]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poller: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to poll, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._poller = self._loop.create_task(self._poll(), name="notifier")

    async def close(self) -> None:
        """Ends the polling."""
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller

    @contextlib.contextmanager
    def following(
        self,
        key: Key,
        on_change: Callable[[HeadType], None],
        on_leave: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Calls `on_change` on the loop for every newer head, until the end of the block; and `on_leave` once
        the key's tenant was moved away, so that no head will come any more.
        """
        subscription = Subscription(key, on_change, on_leave)
        self._followers.setdefault(key, set()).add(subscription)
        try:
            yield
        finally:
            others = self._followers[key]
            others.discard(subscription)
            if not others:
                del self._followers[key]

    def wake_from_thread(self, heads: Sequence[HeadType]) -> None:
        """Tells the followers what was committed; for the writer's thread."""
        if heads and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody follows any more
                self._loop.call_soon_threadsafe(self.wake, heads)

    def wake(self, heads: Iterable[HeadType]) -> None:
        """Tells the followers where their keys stand."""
        for head in heads:
            for subscription in tuple(self._followers.get(head.key, ())):
                subscription.tell(head)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            keys = list(self._followers)
            for start in range(0, len(keys), POLL_CHUNK):
                await self._poll_some(keys[start : start + POLL_CHUNK])

    async def _poll_some(self, keys: Sequence[Key]) -> None:
        try:
            heads, gone = await self._database.run(
                lambda connection: (self._find_heads(connection, keys), unread_tenants(connection)),
                tenant=EVERY_TENANT,
                read_only=True,
                resource="what is followed",
            )
        except ConsensusError as error:  # the next poll asks again
            log.debug("poll_failed", reason=error.reason_name)
            return
        self.wake(heads)
        for key in keys:
            if key[0] in gone:
                for subscription in tuple(self._followers.get(key, ())):
                    subscription.leave()
