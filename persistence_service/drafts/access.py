"""How one process gets at its drafts: changed one at a time, read from snapshots, followed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection

from persistence_service.database import Database
from persistence_service.database.keyed_locks import KeyedLocks
from persistence_service.drafts.change import Change
from persistence_service.drafts.repository import DraftHead, DraftKey, draft_stream, find_heads
from persistence_service.idempotency.keys import KeyUse
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.entries import Actor
from persistence_service.journal.notifier import Notifier

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOptions:
    """How drafts are followed; spans in seconds."""

    watch_poll_seconds: float = 0.5
    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 30.0


class DraftAccess:
    """Owns the notifier of drafts of one process, and the locks under which it changes a draft."""

    def __init__(self, database: Database, once: OncePerKey, options: DraftOptions | None = None) -> None:
        self.options = options or DraftOptions()
        self._database = database
        self._once = once
        self.notifier = Notifier[DraftHead](database, find_heads, self.options.watch_poll_seconds)
        self._locks = KeyedLocks()

    def start(self) -> None:
        """Starts the notifier, on the running loop."""
        self.notifier.start()

    async def close(self) -> None:
        """Ends the notifier."""
        await self.notifier.close()

    async def read(self, tenant: str, fn: Callable[[Connection], Result], resource: str) -> Result:
        """What `fn` reads of a tenant, from one snapshot."""
        return await self._database.run(fn, tenant=tenant, read_only=True, resource=resource)

    async def change(
        self,
        key: DraftKey,
        actor: Actor,
        use: KeyUse | None,
        effect: Callable[[Change], Response],
        answer: type[Response],
    ) -> Response:
        """What `effect` answers, or what it answered when the request's key was used first.

        The key is looked up before anything that `effect` checks. Raises what `effect` raises.
        """

        def unit(connection: Connection) -> tuple[Response, list[DraftHead]]:
            def changed(now: datetime) -> Response:
                return effect(Change(connection, key, actor, self._database.now, now))

            return self._once.effect(connection, use, changed, answer), find_heads(connection, [key])

        # Who changes the same draft in this process waits here, not on a connection for a row's lock.
        async with self._locks.of(key):
            response, heads = await self._once.commit(key[0], use, unit, draft_stream(key[1]))
        self.notifier.wake(heads)
        return response
