"""Reads of a slow database: none is begun for nothing, and none goes on for nobody."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from consensus_rpc.channel.deadline import bind_deadline
from consensus_rpc.errors import Overloaded
from persistence_service.database import EVERY_TENANT, Connection, Database
from tests.storage.conftest import options_for

SLOW_SECONDS = 0.2
DEADLINE_SECONDS = 1.0
FOR_EVER = {
    "postgresql": "SELECT pg_sleep(60)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with a single connection for all who read."""
    database = Database(replace(options_for(database_url), pool_size=1, max_overflow=0))
    await asyncio.to_thread(database.open)
    yield database
    await asyncio.to_thread(database.close)


def slow(connection: Connection) -> str:
    connection.execute(text("SELECT 1")).close()
    time.sleep(SLOW_SECONDS)
    return "read"


async def call(database: Database) -> str | Overloaded | TimeoutError:
    """A caller who waits for so long and no longer."""
    bind_deadline(DEADLINE_SECONDS)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await database.run(slow, read_only=True, resource="runs/7", tenant=EVERY_TENANT)
    except (Overloaded, TimeoutError) as error:
        return error


async def test_as_many_are_read_as_can_be_and_the_others_refused(database: Database) -> None:
    await call(database)  # shows how long one takes
    for _wave in range(3):
        answers = await asyncio.gather(*(asyncio.create_task(call(database)) for _ in range(60)))
        refused = [each for each in answers if isinstance(each, Overloaded)]
        assert answers.count("read") >= 1  # of five, on a machine that has other things to do
        assert len(refused) >= 60 - DEADLINE_SECONDS / SLOW_SECONDS
        assert all(each.retry_after_seconds for each in refused)


async def test_one_that_is_alone_is_always_begun(database: Database) -> None:
    """Else nothing would ever show that the database is quick again."""
    await asyncio.gather(*(asyncio.create_task(call(database)) for _ in range(3)))
    bind_deadline(SLOW_SECONDS / 2)
    assert (
        await database.run(lambda _: "quick", read_only=True, resource="runs/7", tenant=EVERY_TENANT)
        == "quick"
    )


async def test_a_read_ends_with_its_caller(database: Database) -> None:
    task = asyncio.create_task(
        database.run(
            lambda c: c.execute(text(FOR_EVER[database.backend])).scalar_one(),
            read_only=True,
            tenant=EVERY_TENANT,
        )
    )
    await asyncio.sleep(0.2)
    task.cancel()
    async with asyncio.timeout(5):
        assert await database.run(slow, read_only=True, tenant=EVERY_TENANT) == "read"


async def test_closing_waits_for_no_read(database: Database) -> None:
    task = asyncio.create_task(
        database.run(
            lambda c: c.execute(text(FOR_EVER[database.backend])).scalar_one(),
            read_only=True,
            tenant=EVERY_TENANT,
        )
    )
    await asyncio.sleep(0.2)
    async with asyncio.timeout(5):
        await asyncio.to_thread(database.close)
    task.cancel()
    await asyncio.wait([task])


async def test_what_writes_goes_on_without_its_caller(database: Database) -> None:
    def write(connection: Connection) -> None:
        time.sleep(SLOW_SECONDS)
        connection.execute(text("UPDATE schema_compatibility SET oldest_release = '0.0.7'")).close()

    task = asyncio.create_task(database.run(write, tenant=EVERY_TENANT))
    await asyncio.sleep(SLOW_SECONDS / 4)
    task.cancel()
    stored = await database.run(
        lambda c: c.execute(text("SELECT oldest_release FROM schema_compatibility")).scalar_one(),
        read_only=True,
        tenant=EVERY_TENANT,
    )
    assert stored == "0.0.7"


async def test_what_answers_a_commit_is_not_refused(database: Database) -> None:
    """Its caller would be told that nothing was executed."""
    await asyncio.gather(*(asyncio.create_task(call(database)) for _ in range(3)))
    waiting = [asyncio.create_task(call(database)) for _ in range(3)]
    await asyncio.sleep(0)
    bind_deadline(SLOW_SECONDS / 2)
    assert (
        await database.run(slow, read_only=True, resource="runs/7", answers_commit=True, tenant=EVERY_TENANT)
        == "read"
    )
    await asyncio.gather(*waiting)
