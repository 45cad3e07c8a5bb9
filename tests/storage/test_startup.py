"""What a service refuses to start on, and says so."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from persistence_service.database import Database, StartRefused
from persistence_service.database.migrating import head_revision
from tests.storage.conftest import options_for
from tests.support import postgres
from tests.support.processes import clean_environment, run_command

HOLD = """
import sys
from consensus_rpc.telemetry.log import configure_logging
from persistence_service.database import Database, DatabaseOptions, normalise_url
configure_logging("test", level="ERROR")
database = Database(DatabaseOptions(url=normalise_url(sys.argv[1])))
database.open()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_could_lose_what_it_acknowledged_is_refused(setting: str) -> None:
    with postgres.Cluster(**{setting: "off"}) as cluster:
        database = Database(options_for(cluster.create_database()))
        with pytest.raises(StartRefused, match=f"{setting} is off"):
            database.open()
        database.close()


@contextmanager
def other_process(url: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "open\n"
            yield process
            process.communicate()
        finally:
            process.kill()


def test_a_second_process_on_one_sqlite_file_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "x.db")
    with other_process(f"sqlite:///{tmp_path}/x.db") as first:
        database = Database(options_for(f"sqlite:///{tmp_path}/link.db"))
        with pytest.raises(StartRefused, match=rf"x\.db is in use .*process id {first.pid}\b"):
            database.open()
        database.close()


def test_a_sqlite_file_is_free_again_once_its_process_is_killed(tmp_path: Path) -> None:
    with other_process(f"sqlite:///{tmp_path}/x.db") as first:
        first.kill()
        first.wait()
        database = Database(options_for(f"sqlite:///{tmp_path}/x.db"))
        database.open()
        database.close()


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


@pytest.mark.parametrize("empty_url", ["sqlite", "postgresql"], indirect=True)
def test_an_older_schema_with_migration_off_is_refused_with_the_command_to_run(empty_url: str) -> None:
    database = Database(replace(options_for(empty_url), auto_migrate=False))
    with pytest.raises(StartRefused, match="Run: python -m persistence_service migrate"):
        database.open()
    database.close()


def test_a_schema_at_head_with_migration_off_is_accepted(database_url: str) -> None:
    database = Database(replace(options_for(database_url), auto_migrate=False))
    database.open()
    assert database.available
    database.close()


def make_newer(url: str, oldest_release: str) -> None:
    """As a later release would leave the schema."""
    database = Database(options_for(url))
    database.open()

    def change(connection: object) -> None:
        assert hasattr(connection, "execute")
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
        connection.execute(
            text("UPDATE schema_compatibility SET oldest_release = :release"), {"release": oldest_release}
        )

    database.unit_of_work(change)
    database.close()


def test_a_newer_schema_that_says_this_release_fits_is_accepted(database_url: str) -> None:
    make_newer(database_url, "0.0.9")
    database = Database(options_for(database_url))
    database.open()
    assert database.available
    database.close()


def test_a_newer_schema_that_needs_a_newer_release_is_refused(database_url: str) -> None:
    make_newer(database_url, "99.10.0")
    database = Database(options_for(database_url))
    with pytest.raises(StartRefused, match=r"revision later, which needs release 99\.10\.0 or later"):
        database.open()
    database.close()


def test_the_schema_records_its_revision(database: Database) -> None:
    version = text("SELECT version_num FROM alembic_version")
    assert database.unit_of_work(lambda c: c.execute(version).scalar_one(), read_only=True) == head_revision()


@pytest.mark.parametrize(
    "command", [(), ("migrate",), ("key", "create", "--subject", "me", "--role", "admin")]
)
def test_what_is_no_database_is_said_in_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database, but long enough to be read as one. " * 100)
    done = run_command(
        *command, package="persistence_service",
        environment=clean_environment(
            DATABASE_URL=f"sqlite:///{tmp_path}/x.db", PERSISTENCE_LISTEN="127.0.0.1:0"
        ),
    )  # fmt: skip
    assert done.returncode != 0
    assert "file is not a database" in done.stderr
    assert "Traceback" not in done.stderr
