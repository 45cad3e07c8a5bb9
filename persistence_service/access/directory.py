"""Keys looked up in the database, by whoever has to authenticate a caller here."""

import asyncio

from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError, TenantElsewhere
from consensus_rpc.access.keys import KeyGrant, KeyRefusal, PresentedKey
from consensus_rpc.telemetry.log import get_logger
from persistence_service.access import convert, repository
from persistence_service.access.repository import USE_GRAIN, Row
from persistence_service.database import EVERY_TENANT, Database

_log = get_logger()


class StoredKeys:
    """The directory of keys of one process; a use is noted beside the answer, never before it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, key: PresentedKey) -> KeyGrant | KeyRefusal:
        """What a key comes to; raises what `look_up` raises."""
        verdict, _ = await self.look_up(key)
        return verdict

    async def look_up(self, key: PresentedKey) -> tuple[KeyGrant | KeyRefusal, Row | None]:
        """What a key comes to, and what is kept of it where it is valid.

        Raises:
            TenantElsewhere: whoever has the secret is to ask where the tenant is; a guess is just refused.
            DatabaseUnavailable: nobody can say.
        """

        def read(connection: Connection) -> tuple[KeyGrant | KeyRefusal, Row | None, bool]:
            row, now = repository.find(connection, key.key_id), self._database.now(connection)
            verdict = convert.verdict(row, key.secret_digest, now)
            if row is not None and row["is_elsewhere"]:
                if isinstance(verdict, KeyGrant) or verdict.ended:
                    raise TenantElsewhere
                return KeyRefusal(), None, False
            if row is None or isinstance(verdict, KeyRefusal):
                return verdict, None, False
            last = row["last_use_time"]
            return verdict, row, last is None or last < now - USE_GRAIN

        # Whose it is, is what is asked.
        verdict, row, is_to_be_noted = await self._database.run(
            read, tenant=EVERY_TENANT, read_only=True, resource="access_keys"
        )
        if row is not None and is_to_be_noted:
            note = asyncio.create_task(self._note(row["tenant"], key.key_id))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)
        return verdict, row

    async def close(self) -> None:
        """Waits for what is being noted."""
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def _note(self, tenant: str, key_id: str) -> None:
        try:
            await self._database.run(
                lambda connection: repository.used(
                    connection, tenant, key_id, self._database.now(connection)
                ),
                tenant=tenant,
                isolation="READ COMMITTED",
                resource="access_keys",
            )
        except ConsensusError as error:
            _log.warning("key_use_not_noted", key_id=key_id, reason=error.reason_name)
