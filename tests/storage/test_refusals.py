"""What the database refuses for good is asked for once, said with its cause, and not begun again."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from consensus.v1 import errors_pb2, run_pb2
from consensus_contract.errors import DatabaseError, DatabaseUnavailable
from persistence_service.database import EVERY_TENANT, Database, StartRefused
from persistence_service.tables import RIGHTS
from tests.storage.conftest import options_for
from tests.support import postgres
from tests.support.records import Service, happy_records


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database that knows what its role must be allowed."""
    database = Database(options_for(database_url), RIGHTS)
    database.open()
    yield database
    database.close()


async def execute(database: Database, statement: str) -> None:
    await database.run(lambda connection: connection.execute(text(statement)).close(), tenant=EVERY_TENANT)


@asynccontextmanager
async def becoming(database: Database, *, available: bool) -> AsyncIterator[None]:
    """Ends once the database is, or is not, available."""
    become = threading.Event()
    database.condition.on_change(lambda up: become.set() if up is available else None)
    yield
    assert await asyncio.to_thread(become.wait, 10)


async def test_a_review_that_has_no_table_ends_its_run_and_nobody_begins_another(
    database: Database, service: Service
) -> None:
    proposal, first, *_ = happy_records()
    async with service.created() as worker:
        await worker.record(proposal)
        async with becoming(database, available=False):
            await execute(database, "ALTER TABLE persona_reviews RENAME TO elsewhere")
            with capture_logs() as logs, pytest.raises(DatabaseError):
                await worker.record(first)
        with pytest.raises(DatabaseUnavailable):
            await service.queued()
        async with becoming(database, available=True):
            await execute(database, "ALTER TABLE elsewhere RENAME TO persona_reviews")
    (refusal,) = [each for each in logs if each["event"] == "database_refused"]
    assert "persona_reviews" in refusal["cause"]
    assert "Measure it" not in str(refusal)  # it is in the review
    assert (refusal["request_id"], refusal["run_id"]) == ("q-1", worker.run_id)
    run = await service.run(worker.run_id)
    assert (run.state, run.failure.reason) == (
        run_pb2.RUN_STATE_FAILED,
        errors_pb2.ERROR_REASON_DATABASE_ERROR,
    )
    assert (run.failure.resumable, run.failure.failed_step) == (True, "review_user_advocate")
    assert (await service.events(worker.run_id))[-1].HasField("run_failed")


async def test_a_resumed_run_has_what_was_recorded_before(database: Database, service: Service) -> None:
    proposal, first, second, *_ = happy_records()
    async with service.created() as worker:
        await worker.record(proposal)
        await worker.record(first)
        async with becoming(database, available=False):
            await execute(database, "ALTER TABLE persona_reviews RENAME TO elsewhere")
            with pytest.raises(DatabaseError):
                await worker.record(second)
        async with becoming(database, available=True):
            await execute(database, "ALTER TABLE elsewhere RENAME TO persona_reviews")
    assert (await service.run(worker.run_id)).failure.finished_personas == ["user_advocate"]
    await service.resume(worker.run_id)
    (claimed,) = await service.claim()
    async with service.attached(worker.run_id, claimed.lease.fencing_token) as heir:
        assert (await heir.record(second)).record_id == 4


async def test_a_statement_outside_of_runs_that_is_refused_leaves_its_cause_in_the_log(
    database: Database,
) -> None:
    with capture_logs() as logs, pytest.raises(DatabaseError):
        await database.run(
            lambda c: c.execute(text("INSERT INTO no_such_table VALUES ('secret')")).close(),
            resource="drafts/7",
            tenant=EVERY_TENANT,
        )
    (refusal,) = [each for each in logs if each["event"] == "database_refused"]
    assert "no_such_table" in refusal["cause"]
    assert refusal["resource"] == "drafts/7"


async def test_a_text_is_stored_whatever_encoding_the_environment_names(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    database = Database(options_for(database_url), RIGHTS)
    await asyncio.to_thread(database.open)
    sent = "\u2713 \U0001f600"
    await database.run(
        lambda c: c.execute(text("CREATE TABLE texts (text TEXT)")).close(), tenant=EVERY_TENANT
    )
    await database.run(
        lambda c: c.execute(text("INSERT INTO texts VALUES (:sent)"), {"sent": sent}).close(),
        tenant=EVERY_TENANT,
    )
    stored = await database.run(
        lambda c: c.execute(text("SELECT text FROM texts")).scalar_one(), read_only=True, tenant=EVERY_TENANT
    )
    assert stored == sent
    await asyncio.to_thread(database.close)


@pytest.fixture
def poor_url(postgres_server: postgres.Server, postgres_template: str) -> Iterator[str]:
    """A migrated database, as a role that owns nothing and may do nothing."""
    with postgres_server.database(postgres_template) as url:
        name = urlsplit(url).path.lstrip("/")
        admin = postgres_server.as_admin(url)
        with closing(psycopg2.connect(admin)) as connection, connection.cursor() as cursor:
            cursor.execute(f'CREATE ROLE "poor_{name}" LOGIN')
            cursor.execute(f'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO "poor_{name}"')
            cursor.execute(f'GRANT DELETE ON draft_members TO "poor_{name}"')
            connection.commit()
            yield urlsplit(url)._replace(netloc=f"poor_{name}@127.0.0.1:{urlsplit(url).port}").geturl()
            cursor.execute(f'DROP OWNED BY "poor_{name}"')
            cursor.execute(f'DROP ROLE "poor_{name}"')
            connection.commit()


def grant(url: str, statement: str) -> None:
    role, parts = urlsplit(url).username, urlsplit(url)
    owner = parts._replace(netloc=f"postgres@127.0.0.1:{parts.port}").geturl()
    with closing(psycopg2.connect(owner)) as connection, connection.cursor() as cursor:
        cursor.execute(statement.format(role=f'"{role}"'))
        connection.commit()


def test_a_role_that_may_do_what_is_needed_and_no_more_is_accepted(poor_url: str) -> None:
    database = Database(options_for(poor_url), RIGHTS)
    database.open()
    assert database.available
    database.close()


def test_a_role_without_a_right_is_refused_and_told_which(poor_url: str) -> None:
    grant(poor_url, "REVOKE INSERT ON persona_reviews FROM {role}")
    database = Database(options_for(poor_url), RIGHTS)
    with pytest.raises(StartRefused, match=r"no INSERT on persona_reviews\. GRANT it"):
        database.open()
    database.close()


def test_a_role_that_may_not_create_is_told_so_in_one_line(poor_url: str) -> None:
    grant(poor_url, "DROP SCHEMA public CASCADE")
    grant(poor_url, "CREATE SCHEMA public")
    grant(poor_url, "GRANT USAGE ON SCHEMA public TO {role}")
    database = Database(replace(options_for(poor_url)), RIGHTS)
    with pytest.raises(StartRefused, match="may not change the schema") as refused:
        database.open()
    assert "\n" not in str(refused.value)
    database.close()
