"""GetDatabaseStatus on both databases."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from persistence_service.content.keyring import Keyring
from persistence_service.database import Connection, Database
from persistence_service.database.migrating import head_revision
from persistence_service.diagnostics import repository
from persistence_service.diagnostics.repository import TableSize
from persistence_service.diagnostics.servicer import DiagnosticsServicer
from persistence_service.paging.tables import SigningKeyRow
from persistence_service.schema.base import insert, metadata
from tests.support.rows import any_row

RUNS = metadata.tables["runs"]
EARLY = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LATE = datetime(2026, 11, 21, 13, tzinfo=UTC)


async def status_of(database: Database) -> Any:
    return await DiagnosticsServicer(database, Keyring(database, None)).GetDatabaseStatus(Any, Any)  # type: ignore[arg-type]  # neither is looked at


def add_run(connection: Connection, tenant: str, state: str, create_time: datetime) -> None:
    run_id = f"{state}-{create_time:%H}"
    row = any_row(RUNS, tenant=tenant, run_id=run_id, state=state, create_time=create_time)
    connection.execute(insert(RUNS).values(row))


async def test_it_names_the_backend_and_the_schema(database: Database) -> None:
    status = await status_of(database)
    assert status.backend == database.backend
    assert status.server_version[0].isdigit()
    assert status.schema_revision == status.schema_head == head_revision()


async def test_it_tells_where_the_database_is_and_no_secret(database: Database) -> None:
    address = (await status_of(database)).address
    url = database.options.url
    if database.backend == "sqlite":
        assert address == f"sqlite:///{database.options.sqlite_path}"
    else:
        assert address == f"postgresql://{url.host}:{url.port}/{url.database}"
        assert url.username is not None
        assert "@" not in address


async def test_its_size_is_that_of_what_is_on_disk(database: Database) -> None:
    status = await status_of(database)
    if database.backend == "sqlite":
        path = database.options.sqlite_path
        files = [path, Path(f"{path}-wal")]
        assert status.size_bytes == sum(file.stat().st_size for file in files if file.exists())
    else:
        assert status.size_bytes > 1_000_000


async def test_it_counts_the_rows_of_every_table(database: Database) -> None:
    def write(connection: Connection) -> None:
        rows = [{"purpose": str(number), "secret": b"", "create_time": EARLY} for number in range(3)]
        connection.execute(insert(SigningKeyRow), rows)

    database.unit_of_work(write)
    tables = {table.table: (table.row_count, table.estimated) for table in (await status_of(database)).tables}
    assert tables["signing_keys"] == (3, False)
    assert {"runs", "journal", "attempts", "decisions", "idempotency_keys"} <= set(tables)


async def test_the_oldest_queued_run_of_any_tenant_is_told(database: Database) -> None:
    def write(connection: Connection) -> None:
        add_run(connection, "a", "QUEUED", LATE)
        add_run(connection, "b", "QUEUED", EARLY)
        add_run(connection, "b", "RUNNING", EARLY)

    database.unit_of_work(write)
    status = await status_of(database)
    assert status.oldest_queued_run_time.ToDatetime(tzinfo=UTC) == EARLY


async def test_without_a_queued_run_there_is_no_oldest(database: Database) -> None:
    database.unit_of_work(lambda connection: add_run(connection, "a", "RUNNING", EARLY))
    assert not (await status_of(database)).HasField("oldest_queued_run_time")


async def test_the_pool_is_that_of_this_process_without_the_question_itself(database: Database) -> None:
    status = await status_of(database)
    pool = status.pool
    counts = (pool.size, pool.checked_out_count, pool.overflow_count, pool.waiting_count)
    assert counts == (database.options.pool_size, 0, 0, 0)


def test_a_large_table_is_estimated_on_postgresql_only(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "COUNTED_EXACTLY", 10)

    def write(connection: Connection) -> None:
        rows = [{"purpose": str(number), "secret": b"", "create_time": EARLY} for number in range(25)]
        connection.execute(insert(SigningKeyRow), rows)
        if database.backend == "postgresql":
            connection.execute(text("ANALYZE signing_keys"))

    database.unit_of_work(write)
    sizes = database.unit_of_work(repository.table_sizes, read_only=True)
    expected = TableSize("signing_keys", 25, is_estimate=database.backend == "postgresql")
    assert expected in sizes
