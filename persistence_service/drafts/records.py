"""Drafts as servicers use them: changed one at a time, read from snapshots, followed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from google.protobuf.message import Message
from sqlalchemy import Connection

from consensus_rpc.server.identity import Identity
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Database
from persistence_service.drafts.change import Change
from persistence_service.drafts.repository import DraftHead, DraftKey, draft_stream, find_heads
from persistence_service.idempotency.answers import AnswerClaim, answered_once, request_fingerprint
from persistence_service.idempotency.claims import KeyScope
from persistence_service.journal.entries import Actor
from persistence_service.journal.notifier import Notifier

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOptions:
    """How drafts are kept and followed; spans in seconds."""

    idempotency_key_ttl_seconds: float = 604_800.0
    watch_poll_seconds: float = 0.5
    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of change: its name in idempotency keys, and whether keys are told apart by draft."""

    name: str
    addresses_draft: bool = True


class DraftRecords:
    """Owns the notifier of drafts of one process, and the turns in which it changes a draft."""

    def __init__(self, database: Database, options: DraftOptions | None = None) -> None:
        """Starts nothing yet."""
        self.options = options or DraftOptions()
        self._database = database
        self.notifier = Notifier[DraftHead](database, find_heads, self.options.watch_poll_seconds)
        self._turns: WeakValueDictionary[DraftKey, asyncio.Lock] = WeakValueDictionary()

    def start(self) -> None:
        """Starts the notifier, on the running loop."""
        self.notifier.start()

    async def close(self) -> None:
        """Ends the notifier."""
        await self.notifier.close()

    async def read(self, fn: Callable[[Connection], Result], resource: str) -> Result:
        """What `fn` reads, from one snapshot."""
        return await self._database.run(fn, read_only=True, resource=resource)

    async def change(
        self,
        identity: Identity,
        draft_id: str,
        operation: Operation,
        request: Any,
        effect: Callable[[Change], Response],
        answer: type[Response],
    ) -> Response:
        """What `effect` answers, or what it answered when the request's key was used first.

        The key is looked up before anything that `effect` checks. Raises what `effect` raises.
        """
        key = (identity.tenant, draft_id)
        claim = _claim(identity, operation, draft_id, request)
        actor = Actor(identity.caller, request.user, current_request_id() or "")
        ttl = timedelta(seconds=self.options.idempotency_key_ttl_seconds)

        def unit(connection: Connection) -> tuple[Response, list[DraftHead]]:
            now = self._database.now(connection)
            change = Change(connection, key, actor, self._database.now, now)
            if claim is None:
                return effect(change), find_heads(connection, [key])
            stored = answered_once(
                connection, claim, now, now + ttl, lambda: effect(change).SerializeToString()
            )
            return answer.FromString(stored), find_heads(connection, [key])

        async with self._turn(key):
            response, heads = await self._database.run(
                unit,
                isolation="READ COMMITTED",
                resource=draft_stream(draft_id),
                rerun_when_lost=claim is not None,
            )
        self.notifier.wake(heads)
        return response

    @asynccontextmanager
    async def _turn(self, key: DraftKey) -> AsyncIterator[None]:
        """Who changes the same draft in this process waits here, not on a connection for a row's lock."""
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            yield


def _claim(identity: Identity, operation: Operation, draft_id: str, request: Any) -> AnswerClaim | None:
    if not request.idempotency_key:
        return None
    resource = draft_id if operation.addresses_draft else ""
    scope = KeyScope(identity.tenant, identity.caller, operation.name, resource, request.idempotency_key)
    return AnswerClaim(scope, request_fingerprint(request))
