"""A database that goes away is noticed in time, calls fail at once, and it comes back by itself."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from consensus_contract.errors import DatabaseUnavailable
from persistence_service.database import EVERY_TENANT, Connection, Database, DatabaseOptions, normalise_url
from persistence_service.database.connections import Connections
from persistence_service.database.engine import make_engine
from persistence_service.database.hosts import FirstHost
from tests.support import postgres
from tests.support.fault_proxy import FaultProxy

WAIT = 20.0
# Far below the 10 s of a statement, and a busy machine's stalls allowed for.
ANSWERED_WITHIN = 5.0


def options_for(url: str) -> DatabaseOptions:
    return DatabaseOptions(url=normalise_url(url), probe_interval=0.05, answer_timeout=0.3)


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    """A server of this test's own, which it may stop."""
    with postgres.Cluster() as cluster:
        yield cluster


def one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


def test_a_stopped_server_is_noticed_and_its_return_too(cluster: postgres.Cluster) -> None:
    database = Database(options_for(cluster.create_database()))
    database.open()
    changes: Queue[bool] = Queue()
    database.condition.on_change(changes.put)
    cluster.stop("immediate")
    assert changes.get(timeout=WAIT) is False
    begin = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        database.unit_of_work(one, read_only=True)
    assert time.monotonic() - begin < ANSWERED_WITHIN
    cluster.start()
    assert changes.get(timeout=WAIT) is True
    assert database.unit_of_work(one, read_only=True) == 1
    database.close()


def test_a_start_waits_for_the_server(cluster: postgres.Cluster) -> None:
    url = cluster.create_database()
    cluster.stop()
    database = Database(options_for(url))

    async def start() -> None:
        starting = asyncio.create_task(database.start())
        with pytest.raises(DatabaseUnavailable):
            await database.run(one, tenant=EVERY_TENANT)
        await asyncio.to_thread(cluster.start)
        async with asyncio.timeout(WAIT):
            await starting
        assert await database.run(one, read_only=True, tenant=EVERY_TENANT) == 1

    asyncio.run(start())
    database.close()


def test_every_connection_may_be_terminated_and_the_next_unit_works(cluster: postgres.Cluster) -> None:
    database = Database(options_for(cluster.create_database()))
    database.open()
    assert database.unit_of_work(one, read_only=True) == 1
    connection = psycopg2.connect(cluster.admin_url)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'consensus_persistence'"
        )
    connection.close()
    assert database.unit_of_work(one, read_only=True) == 1
    assert database.available
    database.close()


def test_a_commit_that_loses_its_connection_is_unavailable(cluster: postgres.Cluster) -> None:
    database = Database(options_for(cluster.create_database()))
    database.open()

    def terminates_itself(connection: Connection) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailable):
        database.unit_of_work(terminates_itself)
    database.close()


def test_a_statement_beyond_its_time_is_unavailable_and_the_connection_goes_on(
    cluster: postgres.Cluster,
) -> None:
    url = normalise_url(cluster.create_database())
    database = Database(DatabaseOptions(url=url, statement_timeout=0.1))
    database.open()
    with pytest.raises(DatabaseUnavailable):
        database.unit_of_work(lambda c: c.execute(text("SELECT pg_sleep(30)")), read_only=True)
    assert database.unit_of_work(one, read_only=True) == 1
    database.close()


def test_a_connection_can_be_cut_from_its_first_statement_on(
    cluster: postgres.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(connection: Any, *_: Any) -> None:
        connection.cursor().execute("SELECT pg_sleep(10)")

    monkeypatch.setattr("persistence_service.database.engine._prepare_postgresql", prepare)
    connections = Connections()
    engine = make_engine(options_for(cluster.create_database()), connections, FirstHost())
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(engine.connect)
        while not connections.cut() and time.monotonic() < began + 5:
            time.sleep(0.01)
        with pytest.raises(OperationalError):
            connecting.result()
    assert time.monotonic() - began < 9
    engine.dispose()


def test_who_asks_a_server_that_stands_still_to_give_up_holds_nobody_up(cluster: postgres.Cluster) -> None:
    engine = make_engine(options_for(cluster.create_database()), Connections(), FirstHost())
    assert cluster.pid is not None
    ticks = 0
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        driver: Any = connection.connection.driver_connection
        os.kill(cluster.pid, signal.SIGSTOP)  # connections are still taken, and nobody answers
        later = subprocess.Popen(["/bin/sh", "-c", f"sleep 20; kill -CONT {cluster.pid}"])
        try:
            asking = pool.submit(driver.interrupt)
            while not asking.done():
                ticks += 1
                time.sleep(0.01)
            assert later.poll() is None, "it was waited for until the server answered"
        finally:
            os.kill(cluster.pid, signal.SIGCONT)
            later.kill()
            later.wait()
    assert ticks > 10
    engine.dispose()


@contextmanager
def silent_before(postgres_url: str) -> Iterator[tuple[socket.socket, DatabaseOptions]]:
    """A listener that never answers, and the options of a database that is at it or, next, where it is."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = urlsplit(postgres_url).netloc
        credentials, _, host = place.rpartition("@")
        both = f"{credentials}@127.0.0.1:{silent.getsockname()[1]},{host}"
        yield silent, options_for(postgres_url.replace(place, both))


def test_a_host_that_never_answers_is_waited_for_once(postgres_url: str) -> None:
    with silent_before(postgres_url) as (silent, options):
        hosts = FirstHost()
        for engine in (make_engine(options, Connections(), hosts) for _ in range(2)):
            with engine.connect() as connection:
                assert one(connection) == 1
            engine.dispose()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_where_any_host_will_do_their_order_is_kept(postgres_url: str) -> None:
    """Nothing else would lead back from a standby to the primary, once it is there again."""
    with silent_before(postgres_url) as (silent, options):
        any_host = options.url.update_query_dict({"target_session_attrs": "any"})
        hosts = FirstHost()
        for _ in range(2):
            engine = make_engine(replace(options, url=any_host), Connections(), hosts)
            with engine.connect() as connection:
                assert one(connection) == 1
            engine.dispose()
        silent.setblocking(False)
        for _ in range(2):
            silent.accept()[0].close()


def test_a_first_host_that_never_answers_is_passed_over(postgres_url: str) -> None:
    """As when a primary's machine is gone, and nothing is there to refuse a connection."""
    with silent_before(postgres_url) as (_, options):
        database = Database(options)
        database.open()
        ends = time.monotonic() + WAIT
        while True:
            try:
                assert database.unit_of_work(one, read_only=True) == 1
                break
            except DatabaseUnavailable:  # its probe still waits for the first host
                assert time.monotonic() < ends
                time.sleep(0.05)
        database.close()


async def test_a_black_hole_is_answered_in_time_and_every_thread_freed(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    async with FaultProxy.start(f"127.0.0.1:{parts.port}") as proxy:
        database = Database(options_for(parts._replace(netloc=f"postgres@{proxy.address}").geturl()))
        await database.start()
        dedicated = database.dedicated()
        await asyncio.to_thread(dedicated.unit_of_work, one)
        proxy.black_hole()
        begin = time.monotonic()
        calls = [
            asyncio.create_task(database.run(one, read_only=True, tenant=EVERY_TENANT)) for _ in range(8)
        ]
        calls.append(asyncio.create_task(asyncio.to_thread(dedicated.unit_of_work, one)))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 9
        assert time.monotonic() - begin < ANSWERED_WITHIN
        back: asyncio.Queue[bool] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def told(up: bool) -> None:
            loop.call_soon_threadsafe(back.put_nowait, up)

        database.condition.on_change(told)
        proxy.heal()
        async with asyncio.timeout(WAIT):
            assert await back.get() is True
        assert await database.run(one, read_only=True, tenant=EVERY_TENANT) == 1
        assert await asyncio.to_thread(dedicated.unit_of_work, one) == 1
        dedicated.close()
        await asyncio.to_thread(database.close)


def test_no_connection_remains_after_closing(cluster: postgres.Cluster) -> None:
    database = Database(options_for(cluster.create_database()))
    database.open()
    dedicated = database.dedicated()
    dedicated.unit_of_work(one)
    database.unit_of_work(one, read_only=True)
    dedicated.close()
    database.close()
    connection = psycopg2.connect(cluster.admin_url)
    deadline = time.monotonic() + WAIT
    with connection.cursor() as cursor:
        while True:
            connection.rollback()
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'consensus_persistence'"
            )
            if cursor.fetchone() == (0,):
                break
            assert time.monotonic() < deadline
    connection.close()


def test_a_missing_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    database = Database(options_for(f"sqlite:///{tmp_path}/new/folder/x.db"))
    database.open()
    assert database.unit_of_work(one, read_only=True) == 1
    database.close()
