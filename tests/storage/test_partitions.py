"""Runs partitioned by time: readers and writers notice nothing, and retention drops what is old whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from uuid_utils.compat import uuid7

from consensus.v1 import run_event_pb2
from consensus_contract.errors import DatabaseError, DuplicateId, LockTimeout, RunNotFound
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.migrating import check
from persistence_service.database.partitions import (
    Span,
    add_ahead,
    held,
    id_at,
    instant_of,
    spans,
    table_of,
)
from persistence_service.database.reset import reset
from persistence_service.housekeeping.partitions import make_ahead
from persistence_service.runs.form.partitioned import PARTITIONED, TABLES
from tests.storage.conftest import IS_DISTRIBUTED, IS_PARTITIONED, QUICK, options_for
from tests.storage.test_purging import purge
from tests.storage.test_row_security import served, served_by_roles, session
from tests.support import postgres
from tests.support.deletion import delete, entries, flaws, get, row_counts
from tests.support.partitions import counts, id_of, partition_by_day, parts
from tests.support.processes import clean_environment, run_command
from tests.support.records import (
    PERSONAS,
    Service,
    happy_records,
    record,
    review,
)

pytestmark = [
    pytest.mark.skipif(IS_DISTRIBUTED, reason="such a database has no partitions of runs"),
    pytest.mark.skipif(IS_PARTITIONED, reason="partitions what is not"),
]


@pytest.fixture
def url(postgres_server: postgres.Server, postgres_template: str) -> Iterator[str]:
    """The address of a migrated database of this test's own."""
    with postgres_server.database(postgres_template) as url:
        yield url


@pytest.fixture
def parted(url: str) -> Iterator[Database]:
    """An open database whose runs have been partitioned by day for ten days."""
    partition_by_day(url)
    database = Database(options_for(url))
    database.open()
    yield database
    database.close()


@pytest.fixture
async def service(parted: Database) -> AsyncIterator[Service]:
    async with Service(parted, QUICK) as service:
        yield service


def look(database: Database, fn: Any, *arguments: Any) -> Any:
    """What a function finds, seeing the rows of every tenant."""

    def unit(connection: Connection) -> Any:
        return fn(connection, *arguments)

    return database.unit_of_work(unit, isolation="READ COMMITTED")


async def run_of(service: Service, days: float) -> str:
    """A whole run that was begun so many days ago and ended soon; it ended now if that is negative."""
    run_id = id_of(days)
    async with service.created(run_id) as worker:
        for each in happy_records():
            await worker.record(each)
    if days > 0:
        await service.set_run(run_id, finish_time=instant_of(run_id) + timedelta(minutes=1))
    return run_id


def test_ids_sort_by_the_instant_that_they_were_made_at() -> None:
    before = id_at(datetime.now(UTC))
    made = str(uuid7())
    after = id_at(datetime.now(UTC) + timedelta(milliseconds=1))
    assert before <= made < after
    assert instant_of(before) == instant_of(f"{before}-7fff-bfff-ffffffffffff")
    assert abs(instant_of(made) - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_span_holds_its_first_id_and_not_its_last() -> None:
    span = Span("01a2", "01a3")
    assert [held([span], each) for each in ("01a1f", "01a2", "01a2f", "01a3")] == [False, True, True, False]


def test_what_is_there_becomes_the_first_partition_and_is_not_copied(url: str) -> None:
    file = "SELECT pg_relation_filenode('{}'), pg_relation_filenode('pk_{}')"
    with session(url) as connection:
        before = connection.exec_driver_sql(file.format("persona_reviews", "persona_reviews")).one()
    told = partition_by_day(url)
    with session(url) as connection:
        named = "persona_reviews__first"
        after = connection.exec_driver_sql(file.format(named, "persona_reviews__first")).one()
        assert after == before
    assert [line.partition(":")[0] for line in told[:-1]] == sorted(PARTITIONED)


async def test_runs_from_before_and_after_are_read_alike(url: str) -> None:
    database = Database(options_for(url))
    database.open()
    try:
        async with Service(database, QUICK) as service:
            old = await run_of(service, 20)
            before = await service.run(old), await service.events(old)
            await asyncio.to_thread(partition_by_day, url)
            assert (await service.run(old), await service.events(old)) == before
            new = await run_of(service, 0)
            assert (await service.run(new)).persona_reviews == before[0].persona_reviews
            assert await flaws(database) == []
            day = datetime.now(UTC).strftime("%Y%m%d")
            assert look(database, counts) == {
                "persona_reviews__first": len(PERSONAS), f"persona_reviews__{day}": len(PERSONAS)
            }  # fmt: skip
    finally:
        database.close()


async def test_nobody_who_writes_meanwhile_fails(url: str) -> None:
    database = Database(options_for(url))
    database.open()
    try:
        async with Service(database, QUICK) as service:
            done = asyncio.Event()

            async def work() -> list[str]:
                ids = []
                while not done.is_set():
                    ids.append(await run_of(service, 0))
                return [*ids, await run_of(service, 0)]

            workers = [asyncio.create_task(work()) for _ in range(4)]
            try:
                await asyncio.to_thread(partition_by_day, url, timedelta(0))
            finally:
                done.set()
            ids = [run_id for each in await asyncio.gather(*workers) for run_id in each]
            for run_id in ids:
                assert len((await service.run(run_id)).persona_reviews) == len(PERSONAS)
            assert await flaws(database) == []
    finally:
        database.close()


async def test_an_id_of_no_partition_is_kept_with_the_rest(service: Service) -> None:
    run_id = await run_of(service, -400)
    assert look(service.database, counts) == {"persona_reviews__rest": len(PERSONAS)}
    assert len((await service.run(run_id)).persona_reviews) == len(PERSONAS)
    assert (await purge(service.database, 31, run_days=30))["runs"] == 1
    assert set(row_counts(service.database, "run_id", run_id).values()) == {0}


async def test_a_second_review_of_a_persona_is_refused_as_ever(service: Service) -> None:
    """PostgreSQL names the partition whose key it broke."""
    async with service.created(id_of(0)) as worker:
        for each in happy_records()[:-1]:
            await worker.record(each)
        again = run_event_pb2.PersonaReviewReady(persona_review=review("architect", 0.1))
        with pytest.raises(DuplicateId, match="persona_reviews/architect exists already"):
            await worker.record(record(9, again))


def test_what_is_needed_soon_is_made_once_and_by_one_alone(parted: Database) -> None:
    there = look(parted, parts)
    newest = max({part.rpartition("__")[2] for part in there} - {"first", "rest"})

    def drop(connection: Connection) -> None:
        for table in PARTITIONED:
            connection.exec_driver_sql(f"DROP TABLE {table}__{newest}")

    assert look(parted, add_ahead) == 0
    look(parted, drop)
    assert len(look(parted, parts)) == len(there) - len(PARTITIONED)
    assert look(parted, lambda connection: (add_ahead(connection), look(parted, add_ahead))) == (4, 0)
    assert look(parted, parts) == there


def test_a_time_whose_rows_went_to_the_rest_gets_no_partition_and_the_next_does(parted: Database) -> None:
    def empty(connection: Connection) -> list[Span]:
        return spans(connection, PARTITIONED)

    *_, last = look(parted, empty)

    def write_late(connection: Connection) -> None:
        for table in sorted(PARTITIONED):
            name = f"{table}__{instant_of(last.lower):%Y%m%d}"
            connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.exec_driver_sql(
            f"INSERT INTO decisions VALUES ('t', '{last.lower}-7', 1, 'APPROVE', 1, '1', '{{}}')"
        )

    look(parted, write_late)
    assert look(parted, add_ahead) == len(PARTITIONED) - 1
    assert look(parted, counts, "decisions") == {"decisions__rest": 1}
    assert last not in look(parted, empty)


def test_what_an_interrupted_partitioning_left_is_taken_away(parted: Database) -> None:
    """It would refuse every run from the next day on."""
    check = "ALTER TABLE runs ADD CONSTRAINT ck_run_id_first CHECK (run_id < '0') NOT VALID"
    look(parted, lambda connection: connection.exec_driver_sql(check).close())
    look(parted, add_ahead)
    found = text("SELECT count(*) FROM pg_constraint WHERE conname = 'ck_run_id_first'")
    assert look(parted, lambda connection: connection.execute(found).scalar_one()) == 0


def test_each_partition_is_protected_as_its_table_is(parted: Database, subtests: pytest.Subtests) -> None:
    protected = text(
        "SELECT relrowsecurity AND relforcerowsecurity AND 2 = (SELECT count(*) FROM pg_policy "
        "WHERE polrelid = pg_class.oid) FROM pg_class WHERE oid = to_regclass(:name)"
    )
    triggers = text(
        "SELECT array_agg(tgname || tgtype ORDER BY tgname) FROM pg_trigger "
        "WHERE tgrelid = to_regclass(:name)"
    )
    for part in look(parted, parts):
        with subtests.test(part):

            def found(connection: Connection, name: str) -> tuple[Any, ...]:
                return tuple(
                    connection.execute(each, {"name": name}).scalar() for each in (protected, triggers)
                )

            of_part, of_table = look(parted, found, part), look(parted, found, table_of(part))
            assert of_part == of_table
            assert of_part[0]


@pytest.mark.parametrize("statement", ["UPDATE {} SET sequence = 0", "DELETE FROM {}", "TRUNCATE {}"])
async def test_rows_are_not_changed_through_their_partition_either(service: Service, statement: str) -> None:
    await run_of(service, 0)
    ((part, _),) = look(service.database, counts).items()

    def change(connection: Connection) -> None:
        connection.exec_driver_sql(statement.format(part))

    with pytest.raises(DatabaseError):
        look(service.database, change)
    assert look(service.database, counts) == {part: len(PERSONAS)}


async def test_a_partition_is_dropped_whole_once_its_runs_are_purged(service: Service) -> None:
    database, run_id = service.database, await run_of(service, 5)
    kept = await run_of(service, -1)
    old, new = sorted(look(database, counts))
    journal = entries(database, f"runs/{run_id}")
    purged = await purge(database, 30.5, run_days=30)
    assert purged["runs"] == 1
    assert purged["run_partitions"] % len(PARTITIONED) == 0
    left = look(database, parts)
    assert old not in left
    assert new in left
    with pytest.raises(RunNotFound):
        await get(service, run_id)
    assert set(row_counts(database, "run_id", run_id).values()) == {0}
    assert entries(database, f"runs/{run_id}") == [*journal, ("run.purged", {"because": "age"})]
    assert await flaws(database) == []
    assert len((await service.run(kept)).persona_reviews) == len(PERSONAS)


async def test_rows_of_a_dropped_partition_are_not_deleted_one_by_one(service: Service) -> None:
    database = service.database
    run_id = await run_of(service, 5)
    ((part, _),) = look(database, counts).items()
    with session(database.options.url.render_as_string(hide_password=False)) as reader:
        reader.exec_driver_sql(f"SELECT FROM {part}").close()
        with pytest.raises(LockTimeout):
            await purge(database, 30.5, run_days=30)
    with pytest.raises(RunNotFound):
        await get(service, run_id)
    assert look(database, counts) == {part: len(PERSONAS)}
    await purge(database, 30.5, run_days=30)
    assert look(database, counts) == {}


async def test_a_run_that_stands_keeps_its_partition_and_the_texts_of_others_go(service: Service) -> None:
    """For a day: so long the others are waited with."""
    database = service.database
    gone, also_gone = await run_of(service, 5), await run_of(service, 3)
    stands = id_of(5)
    async with service.created(stands) as worker:
        await worker.record(happy_records()[0])
    purged = await purge(database, 30.5, run_days=30)
    assert purged["runs"] == 2
    assert purged["orphans"] == len(PERSONAS) + 2
    for run_id in (gone, also_gone):
        assert set(row_counts(database, "run_id", run_id).values()) == {0}
    assert (await service.run(stands)).HasField("proposal")
    assert await flaws(database) == []


async def test_a_deleted_run_goes_in_its_time_and_waits_for_no_partition(service: Service) -> None:
    run_id = await run_of(service, 0)
    await delete(service, run_id)
    assert await purge(service.database, 31, deleted_days=30) == {"runs": 1}
    assert set(row_counts(service.database, "run_id", run_id).values()) == {0}


async def test_a_run_waits_until_its_partition_is_over(service: Service) -> None:
    database, run_id = service.database, await run_of(service, -1)
    await service.set_run(run_id, finish_time=datetime.now(UTC) - timedelta(days=2))
    assert "runs" not in await purge(database, 30.5, run_days=30)
    assert (await get(service, run_id)).HasField("decision")
    assert (await purge(database, 33, run_days=30))["runs"] == 1
    # By the clock of the database that day has not been: its partition stays.
    assert set(row_counts(database, "run_id", run_id).values()) <= {0, len(PERSONAS), 1}


async def test_roles_that_own_nothing_have_partitions_made_and_dropped(
    postgres_server: postgres.Server, postgres_template: str
) -> None:
    with served_by_roles(postgres_server, postgres_template) as roles:
        partition_by_day(roles.url)
        for role in ("", roles.writer):
            for part in ("persona_reviews__first", "persona_reviews__rest"):
                with (
                    session(roles.service_url, EVERY_TENANT, role) as connection,
                    pytest.raises(ProgrammingError, match="permission denied"),
                ):
                    connection.exec_driver_sql(f"SELECT FROM {part}")
        with (
            session(roles.service_url, "acme") as connection,
            pytest.raises(ProgrammingError, match="permission denied"),
        ):
            connection.exec_driver_sql("SELECT drop_run_partition()")
        database = served(roles)
        database.open()
        try:
            async with Service(database, QUICK) as service:
                run_id = await run_of(service, 5)
                assert (await service.run(run_id)).HasField("decision")
                assert await make_ahead(database) == 0
                assert (await purge(database, 30.5, run_days=30))["runs"] == 1
                assert await flaws(database) == []
        finally:
            database.close()


def test_the_schema_is_as_described_and_can_be_begun_anew(parted: Database, url: str) -> None:
    with Database(options_for(url)).maintenance() as engine:
        check(engine)
        tables = reset(engine, parted.options)
        assert not [name for name in tables if table_of(name) != name]
        check(engine)
    partition_by_day(url)


def test_an_operator_partitions_by_a_command_and_may_say_it_again(url: str, tmp_path: Path) -> None:
    done = run_command(
        "partition",
        package="persistence_service",
        environment=clean_environment(DATABASE_URL=url),
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[:-1]] == sorted(PARTITIONED)
    assert partition_by_day(url) == ["0 partitions made for the time after it"]


def test_sqlite_is_left_as_it_is(tmp_path: Path) -> None:
    environment = clean_environment(DATABASE_URL=f"sqlite:///{tmp_path}/test.db")
    refused = run_command(
        "partition", package="persistence_service", environment=environment, folder=tmp_path
    )
    assert refused.returncode == 2
    assert "SQLite knows no partitions" in refused.stderr


async def test_a_statement_by_the_ids_of_runs_reads_no_other_partition(service: Service) -> None:
    ids = [await run_of(service, days) for days in (0, 0, 0)]
    listed = ", ".join(f"('default', '{each}')" for each in ids)
    for table in TABLES:
        for condition in (f"tenant = 'default' AND run_id = '{ids[0]}'", f"(tenant, run_id) IN ({listed})"):
            statement = f"EXPLAIN SELECT * FROM {table.name} WHERE {condition}"

            def plan(connection: Connection, asked: str = statement) -> str:
                return "\n".join(connection.exec_driver_sql(asked).scalars())

            named = {part for part in look(service.database, parts) if part in look(service.database, plan)}
            assert len(named) == 1
