"""Reads that may be a little old are answered by a standby while it is young enough, else by the primary."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from consensus_contract.errors import DatabaseUnavailable, RunNotFound
from persistence_service.database import EVERY_TENANT, Connection, Database, normalise_url
from tests.storage.conftest import IS_POOLED, QUICK, make_schema, options_for
from tests.support import postgres
from tests.support.deletion import exported, listed
from tests.support.pair import until
from tests.support.records import Service

PATIENT, STRICT = 600.0, 1.0
"""Seconds that a read may be old: more than any test takes, and as few as the setting allows."""
WAIT = 60.0
SILENT = 5.0
"""Seconds after which a server that says nothing is away; the primary of a machine that stalls is not."""
CONFLICT = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"
"""As when what is replayed removes rows that a query still needs."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary and its standby, and the address of a database on both."""

    primary: postgres.Cluster
    standby: postgres.Cluster
    url: str
    other_hosts: str = ""
    """Where the primary may be too, each after a comma."""

    @property
    def served_url(self) -> str:
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{parts.netloc}{self.other_hosts}").geturl()

    @property
    def standby_url(self) -> str:
        return urlsplit(self.url)._replace(netloc=f"{postgres.OWNER}@127.0.0.1:{self.standby.port}").geturl()

    @asynccontextmanager
    async def opened(self, staleness: float = PATIENT, **changed: Any) -> AsyncIterator[Database]:
        """The database, once the standby answers reads that may be so old."""
        options = options_for(self.served_url, **changed)
        database = Database(
            replace(options, read_url=normalise_url(self.standby_url), read_staleness=staleness)
        )
        await database.start()
        try:
            await until(lambda: is_read_there(database), WAIT)
            yield database
        finally:
            await asyncio.to_thread(database.close)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """The standby gets nothing new."""

        async def is_paused() -> bool:
            return tell(self.standby, "SELECT pg_get_wal_replay_pause_state()") == "paused"

        tell(self.standby, "SELECT pg_wal_replay_pause()")
        try:
            await until(is_paused, WAIT)
            yield
        finally:
            tell(self.standby, "SELECT pg_wal_replay_resume()")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The standby's processes answer nothing."""
        assert self.standby.pid is not None
        postmaster = psutil.Process(self.standby.pid)
        processes = [postmaster, *postmaster.children()]
        try:
            send_all(processes, signal.SIGSTOP)
            yield
        finally:
            send_all(processes, signal.SIGCONT)


def send_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    """To all that are there: whose connection was just closed is about to end."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def tell(server: postgres.Cluster, statement: str) -> object:
    """What the server answers to its administrator."""
    with closing(psycopg2.connect(server.admin_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


@pytest.fixture(scope="module")
def clusters() -> Iterator[tuple[postgres.Cluster, postgres.Cluster]]:
    """A primary and its standby, for all tests that leave them as they were."""
    with postgres.Cluster() as primary, postgres.Cluster(primary) as standby:
        yield primary, standby


@pytest.fixture
def pair(clusters: tuple[postgres.Cluster, postgres.Cluster]) -> Pair:
    """With a database of this test's own."""
    url = clusters[0].create_database()
    make_schema(url)
    return Pair(*clusters, url)


def on_standby(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one())


def port_of(connection: Connection) -> int:
    return int(connection.execute(text("SELECT inet_server_port()")).scalar_one())


async def is_read_there(database: Database) -> bool:
    """Whether the standby answers, whatever has become of it."""
    assert database.options.read_url is not None
    async with asyncio.timeout(WAIT):
        port = await database.run(port_of, tenant="default", read_only=True, may_be_stale=True)
    return port == database.options.read_url.port


async def is_read_here(database: Database) -> bool:
    return not await is_read_there(database)


async def is_read_here_again(database: Database) -> bool:
    with suppress(DatabaseUnavailable):
        return await is_read_here(database)
    return False


def answered(where: str) -> float:
    """How many reads were answered there so far."""
    return REGISTRY.get_sample_value("consensus_database_reads_total", {"where": where}) or 0.0


async def test_what_the_standby_lacks_is_missing_no_longer_than_it_may_be(pair: Pair) -> None:
    async with (
        pair.opened(PATIENT) as patient,
        pair.opened(STRICT) as strict,
        Service(patient, QUICK) as service,
        Service(strict, QUICK) as strict_service,
    ):
        async with pair.standing_still():
            run_id = (await service.queued()).run_id
            assert (await service.run(run_id)).run_id == run_id
            assert (await listed(service), await exported(service)) == ([], [])

            async def is_listed() -> bool:
                return await listed(strict_service) == [run_id]

            await until(is_listed, WAIT)
            assert await is_read_here(strict)
        await until(lambda: is_read_there(strict), WAIT)
        assert await listed(strict_service) == [run_id]


async def test_the_past_of_a_run_comes_from_where_all_of_it_is(pair: Pair) -> None:
    """And never from where it is not: nothing of it is missing, whatever the standby lacks."""
    async with pair.opened() as database, Service(database, QUICK) as service:
        async with service.created() as worker:
            await worker.finish()

        async def is_there() -> bool:
            return await listed(service) == [worker.run_id]

        await until(is_there, WAIT)
        before = answered("replica")
        events = await service.events(worker.run_id)
        assert answered("replica") == before + 1
        async with pair.standing_still():
            async with service.created() as later:
                await later.finish()
            before = answered("replica")
            found = await service.events(later.run_id)
            assert answered("replica") == before
        assert [event.sequence for event in found] == [event.sequence for event in events]
        assert [event.WhichOneof("payload") for event in found] == [
            event.WhichOneof("payload") for event in events
        ]


async def test_a_standby_that_dies_is_missed_by_nobody(pair: Pair) -> None:
    async with pair.opened() as database:
        pair.standby.kill()
        assert await is_read_here(database)
        assert database.available
        await asyncio.to_thread(pair.standby.start)
        await until(lambda: is_read_there(database), WAIT)


async def test_a_standby_that_hangs_is_given_up_in_time_and_asked_again_later(pair: Pair) -> None:
    # Whoever waits for a standby that says nothing is not freed by a statement's own time.
    times = {"answer_timeout": SILENT, "statement_timeout": 10 * WAIT}
    async with pair.opened(**times) as database, pair.opened(**times) as closing_database:
        with pair.stopped():
            reads = [is_read_here(each) for each in (database, closing_database) for _ in range(20)]
            assert all(await asyncio.gather(*reads))
            assert database.available
            async with asyncio.timeout(WAIT):
                await asyncio.to_thread(closing_database.close)
        await until(lambda: is_read_there(database), WAIT)


async def test_reads_that_hang_are_given_up_where_the_question_of_its_state_fails_by_itself(
    pair: Pair,
) -> None:
    times = {"answer_timeout": SILENT, "statement_timeout": 10 * WAIT}
    async with pair.opened(**times) as database:
        reads = [is_read_there(database) for _ in range(5)]
        assert any(await asyncio.gather(*reads)), "there are connections that reads wait on"
        assert database._replica is not None
        database._replica._asking._recycle_seconds = 0  # as when it was lost: it connects anew, in vain
        with pair.stopped():
            assert all(await asyncio.gather(*(is_read_here(database) for _ in range(20))))
            async with asyncio.timeout(WAIT):
                await asyncio.to_thread(database.close)


async def test_no_row_of_another_tenant_is_seen_there_either(pair: Pair) -> None:
    def count(connection: Connection) -> tuple[bool, int]:
        runs = int(connection.execute(text("SELECT count(*) FROM runs")).scalar_one())
        return on_standby(connection), runs

    async with pair.opened() as database, Service(database, QUICK) as service:
        await service.queued()

        async def seen_by(tenant: str) -> tuple[bool, int]:
            return await database.run(count, tenant=tenant, read_only=True, may_be_stale=True)

        async def is_there() -> bool:
            return await seen_by("default") == (True, 1)

        await until(is_there, WAIT)
        assert [await seen_by(tenant) for tenant in ("acme", EVERY_TENANT)] == [(True, 0), (True, 1)]


@pytest.mark.parametrize("refusal", ["SELECT 1 / 0", CONFLICT, "not found", "not enough"])
async def test_what_the_standby_does_not_answer_is_asked_of_the_primary(pair: Pair, refusal: str) -> None:
    asked = []

    def answer(connection: Connection) -> bool:
        is_standby = on_standby(connection)
        asked.append(is_standby)
        if is_standby and refusal == "not found":
            raise RunNotFound(run_id="7")
        if is_standby and refusal != "not enough":
            connection.execute(text(refusal))
        return not is_standby

    async with pair.opened() as database:
        assert await database.run(
            answer, tenant="default", read_only=True, may_be_stale=True, suffices=lambda is_there: is_there
        )
        assert asked == [True, False]
        assert await is_read_there(database)


async def test_a_promoted_standby_is_not_read_from(pair: Pair) -> None:
    """Whatever it took in since then is no state that the primary ever had."""
    with postgres.Cluster(pair.primary) as other:
        async with replace(pair, standby=other).opened() as database:
            await asyncio.to_thread(other.promote)
            assert await is_read_here(database)
            assert database.available


@pytest.mark.skipif(IS_POOLED, reason="such a pooler leads to one server")
async def test_after_a_promotion_the_others_are_read_from_once_they_follow() -> None:
    with postgres.Cluster() as primary, postgres.Cluster(primary) as next_primary:
        url = primary.create_database()
        make_schema(url)
        with postgres.Cluster(primary) as standby:
            three = Pair(primary, standby, url, other_hosts=f",127.0.0.1:{next_primary.port}")
            async with three.opened(STRICT) as database:
                primary.kill()
                await asyncio.to_thread(next_primary.promote)
                await until(lambda: is_read_here_again(database), WAIT)
                # Else it is known no sooner than at the standby's next restart point.
                tell(next_primary, f"GRANT pg_read_all_stats TO {postgres.OWNER}")
                standby.follow(next_primary)
                await until(lambda: is_read_there(database), WAIT)
