"""One effect for each key: a request that is sent again is answered as it was."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection

from persistence_service.database import Database
from persistence_service.idempotency import repository
from persistence_service.idempotency.keys import KeyUse

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Message)


class OncePerKey:
    """Makes changes in transactions of their own, each once for the key that it was asked for with."""

    def __init__(self, database: Database, ttl: timedelta) -> None:
        """`ttl` says how long a key is remembered at least."""
        self._database = database
        self._ttl = ttl

    def effect(
        self,
        connection: Connection,
        use: KeyUse | None,
        effect: Callable[[datetime], Response],
        answer: type[Response],
    ) -> Response:
        """What `effect` answers, given the database's time, or what it answered at the key's first use.

        Comes first in its transaction, before any check of the effect itself, which needs READ COMMITTED.

        Raises:
            IdempotencyKeyReused: the key was used with another request.
        """
        now = self._database.now(connection)
        if use is None:
            return effect(now)
        stored = repository.take_or_answer(connection, use, now, now + self._ttl)
        if stored is not None:
            return answer.FromString(stored)
        response = effect(now)
        repository.store_answer(connection, use.scope, response.SerializeToString())
        return response

    async def commit(
        self, tenant: str, use: KeyUse | None, unit: Callable[[Connection], Result], resource: str
    ) -> Result:
        """What a unit around `effect` answers; whether an unknown commit has happened the key tells."""
        return await self._database.run(
            unit,
            tenant=tenant,
            isolation="READ COMMITTED",
            resource=resource,
            rerun_when_lost=use is not None,
        )

    async def change(
        self,
        tenant: str,
        use: KeyUse | None,
        effect: Callable[[Connection, datetime], Response],
        answer: type[Response],
        resource: str,
    ) -> Response:
        """As `effect`, committed; it sees and changes the rows of this tenant."""

        def unit(connection: Connection) -> Response:
            return self.effect(connection, use, lambda now: effect(connection, now), answer)

        return await self.commit(tenant, use, unit, resource)
