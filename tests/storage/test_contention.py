"""Second sessions in the way: the unit is run again, boundedly, and then names what was locked."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from consensus_contract.errors import LockTimeout
from persistence_service.database import Connection, Database, DatabaseOptions, normalise_url
from persistence_service.database.units import ATTEMPTS
from tests.storage.conftest import options_for
from tests.support.postgres import showing_all

ROWS = "INSERT INTO signing_keys (purpose, secret, create_time) VALUES ('a', '', now()), ('b', '', now())"
TOUCH = "UPDATE signing_keys SET secret = secret WHERE purpose = '{}'"


@pytest.fixture
def on_postgresql(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database on PostgreSQL with two rows."""
    server = request.getfixturevalue("postgres_server")
    with server.database(request.getfixturevalue("postgres_template")) as url:
        database = Database(options_for(url))
        database.open()
        database.unit_of_work(lambda connection: connection.execute(text(ROWS)))
        yield database
        database.close()


@contextmanager
def second_session(database: Database) -> Iterator[psycopg2.extensions.cursor]:
    dsn = database.options.direct().url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(showing_all(dsn))) as connection, connection.cursor() as cursor:
        yield cursor


def touch(connection: Connection, purpose: str) -> None:
    connection.execute(text(TOUCH.format(purpose)))


def test_a_row_that_stays_locked_is_reported_after_three_tries(on_postgresql: Database) -> None:
    attempts: list[int] = []

    def unit(connection: Connection) -> None:
        attempts.append(1)
        touch(connection, "a")

    with second_session(on_postgresql) as other:
        other.execute(TOUCH.format("a"))
        with pytest.raises(LockTimeout, match="runs/7"):
            on_postgresql.unit_of_work(unit, resource="runs/7")
    assert len(attempts) == ATTEMPTS


def test_a_row_that_is_freed_in_time_is_written(on_postgresql: Database) -> None:
    attempts: list[int] = []
    with second_session(on_postgresql) as other:
        other.execute(TOUCH.format("a"))

        def unit(connection: Connection) -> None:
            attempts.append(1)
            if len(attempts) == 2:
                other.connection.rollback()
            touch(connection, "a")

        on_postgresql.unit_of_work(unit)
    assert len(attempts) == 2


def test_a_serialization_failure_runs_the_unit_again_in_a_fresh_snapshot(on_postgresql: Database) -> None:
    attempts: list[int] = []
    with second_session(on_postgresql) as other:

        def unit(connection: Connection) -> None:
            connection.execute(text("SELECT 1 FROM signing_keys")).all()  # takes the snapshot
            if not attempts:
                other.execute(TOUCH.format("a"))
                other.connection.commit()
            attempts.append(1)
            touch(connection, "a")

        on_postgresql.unit_of_work(unit)
    assert len(attempts) == 2


def test_two_units_that_lock_crosswise_both_commit(on_postgresql: Database) -> None:
    # Both hold their first row before either asks for its second; only in the first round.
    both_hold = threading.Barrier(2)
    attempts: list[str] = []
    ended: list[str] = []
    failures: list[Exception] = []

    def may_go_on(first: str, second: str) -> bool:
        """Who lost a round leaves the next to the other: on a busy machine they would meet each time."""
        return second in ended or (first == "a" and attempts.count(second) > 1)

    def unit(connection: Connection, first: str, second: str) -> None:
        attempts.append(first)
        while attempts.count(first) > 1 and not may_go_on(first, second):
            time.sleep(0.001)
        touch(connection, first)
        if attempts.count(first) == 1:
            both_hold.wait(10)
        touch(connection, second)

    def run(first: str, second: str) -> None:
        try:
            on_postgresql.unit_of_work(lambda connection: unit(connection, first, second))
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)
        ended.append(first)

    threads = [threading.Thread(target=run, args=order) for order in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(attempts) > 2


@pytest.fixture
def on_sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "test.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(DatabaseOptions(url=normalise_url(f"sqlite:///{path}")))
    database.open()
    yield database
    database.close()


def test_a_file_that_another_keeps_locked_is_reported_within_two_seconds(on_sqlite: Database) -> None:
    attempts: list[int] = []
    with closing(sqlite3.connect(on_sqlite.options.sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockTimeout, match="runs/7"):
            on_sqlite.unit_of_work(lambda _: attempts.append(1), resource="runs/7")
    assert attempts == []


def test_a_file_that_is_freed_is_written(on_sqlite: Database) -> None:
    with closing(
        sqlite3.connect(on_sqlite.options.sqlite_path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, other.execute, ("ROLLBACK",))
        timer.start()
        assert on_sqlite.unit_of_work(lambda _: "written") == "written"
        timer.join()


def test_readers_do_not_wait_for_a_writer(on_sqlite: Database) -> None:
    with closing(sqlite3.connect(on_sqlite.options.sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        count = text("SELECT count(*) FROM signing_keys")
        assert on_sqlite.unit_of_work(lambda c: c.execute(count).scalar_one(), read_only=True) == 0
