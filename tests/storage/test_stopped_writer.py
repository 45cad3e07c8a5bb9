"""The writer's own backend stops, and nobody else's: what only looking from outside can notice."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from queue import Queue

import pytest
from sqlalchemy import text

from consensus_contract.errors import ConsensusError
from persistence_service.database import Database, DedicatedConnection
from persistence_service.database.connections import PostgresConnection
from tests.storage.conftest import IS_POOLED, QUICK, options_for
from tests.support import postgres
from tests.support.records import Service, happy_records

ANSWERED_WITHIN = 3.0  # 2 s, and what a busy machine adds


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    """A server whose processes are on this machine."""
    with postgres.Cluster() as cluster:
        yield cluster


@pytest.fixture
def database_url(cluster: postgres.Cluster) -> str:
    """Only PostgreSQL has backends."""
    return cluster.create_database()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[DedicatedConnection]:
    """The connections that threads keep for themselves: the probe's, then the writer's."""
    connections: list[DedicatedConnection] = []
    dedicated = Database.dedicated

    def noted(database: Database) -> DedicatedConnection:
        connections.append(dedicated(database))
        return connections[-1]

    monkeypatch.setattr(Database, "dedicated", noted)
    return connections


@pytest.fixture
def database(kept: list[DedicatedConnection], database_url: str) -> Iterator[Database]:
    """An open database whose connections are noted."""
    database = Database(options_for(database_url))
    database.open()
    yield database
    database.close()


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    """A service that is as patient as it is by default."""
    async with Service(
        database, replace(QUICK, batch_timeout_seconds=2.0, write_timeout_seconds=10.0)
    ) as service:
        yield service


# Behind a pooler the backend is not known, and not the connection's own.
of_a_session = pytest.mark.skipif(IS_POOLED, reason="stops the backend of one connection")


def backend(connection: DedicatedConnection) -> int:
    assert connection._connection is not None
    driver = connection._connection.connection.driver_connection
    assert isinstance(driver, PostgresConnection)
    return driver.get_backend_pid()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process neither answers nor ends until the block does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@of_a_session
async def test_the_next_start_is_written_on_a_new_connection(
    database: Database, service: Service, kept: list[DedicatedConnection]
) -> None:
    await service.queued()
    with stopped(backend(kept[1])):
        began = time.monotonic()
        run = await service.queued()
        assert time.monotonic() - began < ANSWERED_WITHIN
        began = time.monotonic()
        await service.queued()
        assert time.monotonic() - began < 1.0
        assert database.available
    assert (await service.run(run.run_id)).run_id == run.run_id


@of_a_session
async def test_a_run_whose_record_hangs_goes_on_with_the_same_record(
    service: Service, kept: list[DedicatedConnection]
) -> None:
    async with service.created() as worker:
        with stopped(backend(kept[1])):
            ack = await worker.record(happy_records()[0])
            assert ack.last_sequence == 10
    assert [event.sequence for event in await service.events_so_far(worker.run_id)] == list(range(1, 11))


async def test_no_statement_of_a_pool_outlasts_its_timeout_though_its_backend_is_stopped(
    database_url: str,
) -> None:
    database = Database(options_for(database_url, statement_timeout=0.5, pool_size=1, max_overflow=0))
    database.open()
    pid = database.unit_of_work(
        lambda connection: connection.execute(text("SELECT pg_backend_pid()")).scalar_one(), read_only=True
    )
    with stopped(pid):
        began = time.monotonic()
        assert database.unit_of_work(lambda c: c.execute(text("SELECT 1")).scalar_one(), read_only=True) == 1
        assert time.monotonic() - began < ANSWERED_WITHIN
    database.close()


async def test_a_commit_that_hangs_is_given_up_and_never_asked_to_end(
    cluster: postgres.Cluster, database: Database, service: Service
) -> None:
    """A server that gives up waiting for its standby calls the commit a success."""
    changes: Queue[bool] = Queue()
    async with service.created() as worker:
        database.condition.on_change(changes.put)
        cluster.require_standby()
        await asyncio.to_thread(cluster.wait_until_commits_wait)
        began = time.monotonic()
        with pytest.raises(ConsensusError):
            await worker.record(happy_records()[0])
        assert time.monotonic() - began < ANSWERED_WITHIN
        while await asyncio.to_thread(changes.get, timeout=10):
            pass
        assert (await service.run(worker.run_id)).last_sequence == 3
        cluster.require_no_standby()
        while not await asyncio.to_thread(changes.get, timeout=10):
            pass
    async with service.attached(worker.run_id, worker.token, "me") as again:
        assert (await again.record(happy_records()[0])).last_sequence == 10
