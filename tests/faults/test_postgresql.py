"""Faults of PostgreSQL while runs are worked on: contention, lost connections, refusals, lost answers."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import grpc
import psycopg2
import pytest
from psycopg2 import sql

from consensus.v1 import run_event_pb2
from tests.faults.case import Case
from tests.faults.chaos import terminate_connections
from tests.support.pair import kinds
from tests.support.postgres import showing_all
from tests.support.processes import Process

# Raises an error for the first entries of one run's journal: a sequence counts through rollbacks.
_RAISING = """
CREATE SEQUENCE {counter};
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.entries::text LIKE '%"proposal.recorded"%' AND nextval('{counter}') <= {times} THEN
        RAISE EXCEPTION 'injected' USING ERRCODE = '{code}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER {function} BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION {function}();
"""
_CALMING = "DROP TRIGGER {function} ON journal; DROP FUNCTION {function}; DROP SEQUENCE {counter};"


@contextmanager
def session(case: Case) -> Iterator[psycopg2.extensions.connection]:
    """Another session on the case's database."""
    with closing(psycopg2.connect(showing_all(case.stack.database_url))) as connection:
        yield connection


@contextmanager
def raising(case: Case, code: str, times: int) -> Iterator[None]:
    """Writes of a proposal fail that many times with this SQLSTATE."""
    names = {"function": f"raise_{case.mark.lower()}", "counter": f"count_{case.mark.lower()}"}
    with session(case) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_RAISING.format(code=code, times=times, **names))
            try:
                yield
            finally:
                cursor.execute(_CALMING.format(**names))


@pytest.mark.parametrize(
    "code",
    ["40001", "40P01", "55P03", "57014", "53300", "57P01"],
    ids=["serialization", "deadlock", "lock timeout", "statement timeout", "too many", "shut down"],
)
async def test_what_the_database_refuses_for_a_moment_is_written_after_all(
    postgresql_case: Case, code: str
) -> None:
    case = postgresql_case
    with raising(case, code, times=2):
        caller = await case.stream(case.stack.reviews[0])
        await caller.rest()

    assert kinds(caller.events)[-1] == "run_completed"
    assert (await case.model_wait({}, run_id=caller.run_id))["total"]["started"] == 6


async def test_one_run_that_cannot_be_written_harms_no_neighbour(postgresql_case: Case) -> None:
    case = postgresql_case
    await case.hold("expand")
    callers = [await case.stream(case.stack.reviews[0]) for _ in range(5)]
    for caller in callers:
        await caller.until("run_started")
    with session(case) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM runs WHERE run_id = %s FOR UPDATE", (callers[0].run_id,))
        await case.release()

        async with asyncio.timeout(5):
            done = await asyncio.gather(*(caller.rest() for caller in callers[1:]))
        connection.rollback()

    assert [kinds(events)[-1] for events in done] == ["run_completed"] * 4
    await case.finish(callers[0].run_id)


async def _reviewed(case: Case, review: Process, key: str) -> list[run_event_pb2.RunEvent]:
    """A review, sent again with its key as long as the service has no database: what clients do."""
    while True:
        caller = await case.stream(review, key=key)
        try:
            return await caller.rest()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("most", [1, 1000], ids=["one", "all"])
async def test_connections_are_terminated_again_and_again(postgresql_case: Case, most: int) -> None:
    case = postgresql_case
    reading = [
        asyncio.create_task(_reviewed(case, review, f"{case.mark}-{number}"))
        for number, review in enumerate(case.stack.reviews * 5)
    ]
    ended = 0
    while not all(task.done() for task in reading):
        ended += await asyncio.to_thread(terminate_connections, case.stack.database_url, most)
        await asyncio.sleep(0.3)

    assert ended > 0
    assert {kinds(await task)[-1] for task in reading} == {"run_completed"}


async def test_a_database_that_becomes_read_only_and_writable_again(postgresql_case: Case) -> None:
    case = postgresql_case
    name = sql.Identifier(urlsplit(case.stack.database_url).path.lstrip("/"))
    await case.hold("expand")
    caller = await case.stream(case.stack.reviews[0])
    await caller.until("run_started")
    with session(case) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
            try:
                await asyncio.to_thread(terminate_connections, case.stack.database_url)
                await case.release()
                await asyncio.sleep(1)
            finally:
                cursor.execute("SET default_transaction_read_only = off")
                cursor.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
        await asyncio.to_thread(terminate_connections, case.stack.database_url)

    assert kinds(await case.finish(caller.run_id))[-1] == "run_completed"
