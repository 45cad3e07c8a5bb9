"""Databases that a tenant leaves, or comes to, and what is put into them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from persistence_service.content.keyring import Keyring
from persistence_service.database import Connection, Database
from persistence_service.database.tables import TENANT_MOVES
from persistence_service.moving import standing
from persistence_service.moving.exporting import export
from persistence_service.moving.importing import Arrival, import_tenant
from persistence_service.moving.stored_rows import tables_of_tenants
from persistence_service.schema.base import insert
from persistence_service.tables import metadata
from tests.storage.conftest import QUICK
from tests.support.records import Service
from tests.support.rows import any_row

TENANT, OTHER = "default", "globex"
JOURNALED = {"runs", "run_settings", "run_specifications", "journal", "stream_heads", "proposal_versions"}
JOURNALED |= {"persona_reviews", "decisions", "revisions", "run_materials"}


class Place:
    """A database that a tenant leaves, or comes to."""

    def __init__(self, database: Database, engine: Engine, keyring: Keyring) -> None:
        self.database = database
        self.engine = engine
        self.keyring = keyring

    def freeze(self, tenant: str = TENANT) -> None:
        with standing.changing(self.engine) as connection:
            standing.freeze(connection, tenant, self.database.now)

    def thaw(self) -> None:
        with standing.changing(self.engine) as connection:
            standing.thaw(connection, TENANT, self.database.now)

    def exported(self, tenant: str = TENANT) -> list[bytes]:
        lines = list[bytes]()
        export(self.engine, tenant, lambda text: lines.append(f"{text}\n".encode()), self.database.now)
        return lines

    def take(self, lines: list[bytes]) -> Arrival:
        return import_tenant(self.engine, iter(lines), self.database.now, self.keyring)

    def leave(self, digest: bytes) -> bytes:
        with standing.changing(self.engine) as connection:
            move = standing.leave(connection, TENANT, digest, self.database.now)
        assert move.release_code is not None
        return move.release_code

    def open(self, code: bytes) -> None:
        with standing.changing(self.engine) as connection:
            standing.open_arrived(connection, TENANT, code, self.database.now)

    def counts(self, tenant: str = TENANT) -> dict[str, int]:
        """Rows of the tenant, by table, where there are any."""

        def count(connection: Connection) -> dict[str, int]:
            return {
                table.name: connection.execute(
                    select(func.count()).select_from(table).where(table.c.tenant == tenant)
                ).scalar_one()
                for table in tables_of_tenants()
            }

        found = self.database.unit_of_work(count, read_only=True)
        return {name: number for name, number in found.items() if number}

    def state(self) -> str | None:
        found: str | None = self.database.unit_of_work(
            lambda connection: connection.execute(
                select(TENANT_MOVES.c.state).where(TENANT_MOVES.c.tenant == TENANT)
            ).scalar(),
            read_only=True,
        )
        return found


def place(database: Database, keys: Path | None = None) -> Place:
    keyring = Keyring(database, keys)
    if keys is not None:
        keyring.open_file()
    database.use_sealer(keyring)
    return Place(database, database._direct_engine, keyring)


@asynccontextmanager
async def served(place: Place) -> AsyncIterator[Service]:
    async with Service(place.database, QUICK) as service:
        yield service


def moved(here: Place, there: Place) -> None:
    here.freeze()
    arrival = there.take(here.exported())
    there.open(here.leave(arrival.digest))


def add_everywhere(place: Place, tenant: str) -> None:
    """A row in each table whose rows no run's journal speaks of."""

    def add(connection: Connection) -> None:
        for table in tables_of_tenants():
            if table.name not in JOURNALED:
                key = {"key_id": f"k-{tenant}"} if table.name == "access_keys" else {}
                connection.execute(insert(table), any_row(table, tenant=tenant, **key))

    place.database.unit_of_work(add)


def add_one(place: Place, name: str, **given: Any) -> None:
    table = metadata.tables[name]
    row = any_row(table, **{"tenant": TENANT} | given)
    place.database.unit_of_work(lambda connection: connection.execute(insert(table), row))
