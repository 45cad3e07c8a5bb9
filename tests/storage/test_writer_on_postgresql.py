"""What only a server can do to the writer: lock a row from another session, lose a connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg2
import pytest

from consensus_contract.errors import LockTimeout
from persistence_service.database import Database
from persistence_service.database.session import LOCK_TIMEOUT_MS
from persistence_service.runs.form.specification import specification_row
from persistence_service.runs.write.committer import DEFERRAL_SECONDS
from tests.support import postgres
from tests.support.postgres import showing_all
from tests.support.records import Service, happy_records, specification


@pytest.fixture
def database_url(postgres_server: postgres.Server, postgres_template: str) -> Iterator[str]:
    """Only PostgreSQL: SQLite has neither rows to lock nor a connection to lose."""
    with postgres_server.database(postgres_template) as url:
        yield url


async def test_a_commit_whose_answer_was_lost_is_found_and_not_repeated(
    database: Database, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection dies after COMMIT: no server can be made to do so at this very point."""
    dialect = database._own_engine.dialect
    commit = dialect.do_commit
    losses: list[int] = []

    def lose_once(connection: Any) -> None:
        commit(connection)
        if not losses:
            losses.append(1)
            raise psycopg2.OperationalError("server closed the connection unexpectedly")

    async with service.created() as worker:
        monkeypatch.setattr(dialect, "do_commit", lose_once)
        ack = await worker.record(happy_records()[0])
        run = await service.run(worker.run_id)
    assert losses
    assert (ack.first_sequence, ack.last_sequence, run.last_sequence) == (4, 10, 10)


@pytest.fixture
async def other_session(database: Database) -> AsyncIterator[psycopg2.extensions.cursor]:
    """A second session that can stand in the way."""
    dsn = database.options.direct().url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(showing_all(dsn))) as connection, connection.cursor() as cursor:
        yield cursor


async def test_a_locked_run_holds_no_neighbour_up(
    service: Service, other_session: psycopg2.extensions.cursor
) -> None:
    async with service.created() as locked, service.created() as free:
        other_session.execute("SELECT 1 FROM runs WHERE run_id = %s FOR UPDATE", (locked.run_id,))
        locked.send(record=happy_records()[0])
        async with asyncio.timeout(DEFERRAL_SECONDS / 2):
            await free.finish()
        other_session.connection.rollback()
        assert (await locked.answer()).ack.first_sequence == 4


async def test_a_run_that_stays_locked_is_reported(
    service: Service, other_session: psycopg2.extensions.cursor
) -> None:
    async with service.created() as worker:
        other_session.execute("SELECT 1 FROM runs WHERE run_id = %s FOR UPDATE", (worker.run_id,))
        with pytest.raises(LockTimeout) as caught:
            await worker.record(happy_records()[0])
    assert caught.value.metadata["resource"] == f"runs/{worker.run_id}"


async def test_records_of_a_run_that_was_locked_stay_in_order(
    service: Service, other_session: psycopg2.extensions.cursor
) -> None:
    async with service.created() as worker:
        other_session.execute("SELECT 1 FROM runs WHERE run_id = %s FOR UPDATE", (worker.run_id,))
        for each in happy_records():
            worker.send(record=each)
        await service.queued()
        other_session.connection.rollback()
        acks = [(await worker.answer()).ack.record_id for _ in happy_records()]
    assert acks == [each.record_id for each in happy_records()]


SETTINGS_ROW = "SELECT ctid, xmin, xmax FROM run_settings"


async def test_settings_that_are_there_are_neither_locked_nor_written(
    service: Service, other_session: psycopg2.extensions.cursor
) -> None:
    await service.queued()
    other_session.execute(SETTINGS_ROW)
    before = other_session.fetchall()
    assert [xmax for _, _, xmax in before] == ["0"]
    for _ in range(5):
        await service.queued()
    other_session.execute(SETTINGS_ROW)
    assert other_session.fetchall() == before  # a lock would stand in xmax
    other_session.execute(f"{SETTINGS_ROW} FOR UPDATE")
    await service.queued()


INSERT_SETTINGS = "INSERT INTO run_settings (tenant, digest, settings) VALUES ('default', %s, %s)"


def insert_settings(session: psycopg2.extensions.cursor) -> None:
    """What another process does with a run of the same settings, up to its commit."""
    row = specification_row(specification(), timedelta(hours=1))
    session.execute(INSERT_SETTINGS, (row.settings_digest, json.dumps(row.settings)))


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_whoever_is_about_to_insert_the_same_settings_is_waited_for(
    service: Service, other_session: psycopg2.extensions.cursor, end: str
) -> None:
    insert_settings(other_session)
    waiting = asyncio.ensure_future(service.queued())
    await asyncio.sleep(2.5 * LOCK_TIMEOUT_MS / 1000)  # a statement has given up, and the batch runs again
    getattr(other_session.connection, end)()
    run = await waiting
    assert (await service.run(run.run_id)).specification == specification()


async def test_new_settings_that_stay_uncommitted_are_reported_and_hold_up_no_other_settings(
    service: Service, other_session: psycopg2.extensions.cursor
) -> None:
    insert_settings(other_session)
    with pytest.raises(LockTimeout):
        await service.queued()
    async with service.created(specification=specification(expand_model="another")) as free:
        await free.finish()
