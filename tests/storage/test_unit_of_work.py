"""Units of work on real databases: what commits, what rolls back, what a reader sees."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from consensus_contract.errors import DatabaseError, DatabaseUnavailable
from persistence_service.database import EVERY_TENANT, Connection, Database
from persistence_service.journal.tables import StreamHeadRow
from persistence_service.paging.tables import SigningKeyRow
from persistence_service.schema.base import insert

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def add(connection: Connection, purpose: str, time: datetime = NOON) -> None:
    connection.execute(insert(SigningKeyRow).values(purpose=purpose, secret=b"-", create_time=time))


def purposes(connection: Connection) -> list[str]:
    return list(connection.execute(select(SigningKeyRow.purpose).order_by(SigningKeyRow.purpose)).scalars())


def test_a_unit_that_returns_is_committed(database: Database) -> None:
    database.unit_of_work(lambda connection: add(connection, "a"))
    assert database.unit_of_work(purposes, read_only=True) == ["a"]


def test_a_unit_that_raises_leaves_nothing(database: Database) -> None:
    def fails(connection: Connection) -> None:
        add(connection, "a")
        raise RuntimeError("after the insert")

    with pytest.raises(RuntimeError, match="after the insert"):
        database.unit_of_work(fails)
    assert database.unit_of_work(purposes, read_only=True) == []


def test_a_unit_runs_beside_the_event_loop(database: Database) -> None:
    async def threads() -> tuple[int, int]:
        return threading.get_ident(), await database.run(
            lambda _: threading.get_ident(), read_only=True, tenant=EVERY_TENANT
        )

    loop_thread, unit_thread = asyncio.run(threads())
    assert loop_thread != unit_thread


def test_a_broken_constraint_is_a_database_error_that_quotes_no_row(database: Database) -> None:
    database.unit_of_work(lambda connection: add(connection, "sesame"))
    with pytest.raises(DatabaseError) as refusal:
        database.unit_of_work(lambda connection: add(connection, "sesame"))
    cause = str(refusal.value.__cause__)
    assert "sesame" not in cause
    assert "signing_keys" in cause


def test_a_read_only_unit_sees_one_snapshot(database: Database) -> None:
    seen: list[list[str]] = []

    def read_twice(connection: Connection) -> None:
        seen.append(purposes(connection))
        database.unit_of_work(lambda other: add(other, "meanwhile"))
        seen.append(purposes(connection))

    database.unit_of_work(read_twice, read_only=True)
    assert seen == [[], []]


def test_an_instant_keeps_its_microseconds_and_is_ordered_in_sql(database: Database) -> None:
    instants = [NOON + timedelta(microseconds=offset) for offset in (1, 0, -1)]

    def write(connection: Connection) -> None:
        for number, instant in enumerate(instants):
            add(connection, str(number), instant)

    database.unit_of_work(write)
    ordered = database.unit_of_work(
        lambda c: (
            c.execute(
                select(SigningKeyRow.create_time)
                .where(SigningKeyRow.create_time >= NOON)
                .order_by(SigningKeyRow.create_time)
            )
            .scalars()
            .all()
        ),
        read_only=True,
    )
    assert list(ordered) == [NOON, NOON + timedelta(microseconds=1)]


def test_the_clock_is_aware_and_moves_within_a_transaction(database: Database) -> None:
    def twice(connection: Connection) -> tuple[datetime, datetime]:
        return database.now(connection), database.now(connection)

    first, second = database.unit_of_work(twice, read_only=True)
    assert first.tzinfo is UTC
    assert first < second or database.backend == "sqlite"


def test_text_is_ordered_by_code_point(database: Database) -> None:
    words = ["a", "B", "_", "é", "Z", "0"]

    def write(connection: Connection) -> list[str]:
        for word in words:
            connection.execute(
                insert(StreamHeadRow).values(
                    tenant=word, stream="s", sequence=1, hash=bytes(32), update_time=NOON
                )
            )
        query = select(StreamHeadRow.tenant).order_by(StreamHeadRow.tenant)
        return list(connection.execute(query).scalars())

    assert database.unit_of_work(write) == sorted(words)


def test_many_threads_lose_no_update(database: Database) -> None:
    database.unit_of_work(lambda connection: add(connection, "counter", datetime(2026, 1, 1, tzinfo=UTC)))

    def advance(connection: Connection) -> None:
        row = select(SigningKeyRow.create_time).with_for_update()
        time = connection.execute(row).scalar_one()
        connection.execute(update(SigningKeyRow).values(create_time=time + timedelta(seconds=1)))

    def advance_often() -> None:
        for _ in range(10):
            database.unit_of_work(advance, isolation="READ COMMITTED")

    threads = [threading.Thread(target=advance_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = select(func.max(SigningKeyRow.create_time))
    time = database.unit_of_work(lambda c: c.execute(newest).scalar_one(), read_only=True)
    assert time == datetime(2026, 1, 1, 0, 0, 40, tzinfo=UTC)


def test_a_closed_database_is_unavailable_and_leaves_no_thread(database: Database) -> None:
    database.unit_of_work(purposes, read_only=True)
    database.close()
    with pytest.raises(DatabaseUnavailable):
        database.unit_of_work(purposes, read_only=True)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("database")] == []


def test_the_pool_counts_what_is_taken(database: Database) -> None:
    states = database.unit_of_work(lambda _: database.pool_state(), read_only=True)
    after = database.pool_state()
    assert (states.checked_out, after.checked_out, states.waiting, after.waiting) == (1, 0, 0, 0)
