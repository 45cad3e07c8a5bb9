"""`backup` copies a SQLite database that is in use, and `restore` puts it back, or says why not."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from persistence_service.database import Database
from persistence_service.database.file_copy import copy_database
from persistence_service.database.migrating import head_revision
from tests.storage.conftest import direct_options
from tests.support.processes import clean_environment, run_command

ROW = "INSERT INTO signing_keys (purpose, secret, create_time) VALUES (?, zeroblob(?), 0)"
NAMES = "SELECT purpose FROM signing_keys ORDER BY purpose"
KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = WAL")
connection.execute(sys.argv[2], ("lost", 1))
connection.commit()
os._exit(9)
"""
KILLED_WITH_A_JOURNAL = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = DELETE")
connection.execute("PRAGMA cache_size = 5")
connection.execute("BEGIN")
connection.execute("UPDATE signing_keys SET secret = randomblob(length(secret))")
os._exit(9)
"""
LARGE = 20_000_000  # bytes: several steps


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    """A migrated database with a row in it."""
    path = tmp_path / "consensus.db"
    shutil.copy(sqlite_template, path)
    write(path, "first")
    return path


def write(path: Path, name: str, size: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(ROW, (name, size))


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute(NAMES)]


def command(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(DATABASE_URL=f"sqlite:///{path}")
    return run_command(*arguments, package="persistence_service", environment=environment, folder=path.parent)


def test_writers_go_on_and_the_copy_is_of_one_moment(path: Path, tmp_path: Path) -> None:
    """Without a transaction around it SQLite begins the copy anew after each commit of another's."""
    write(path, "large", LARGE)
    left: list[int] = []

    def progress(pages: int, _count: int) -> None:
        write(path, f"later {len(left)}")
        left.append(pages)

    copy_database(path, tmp_path / "copy.db", overwrite=False, progress=progress)

    assert len(left) > 2
    assert left == sorted(left, reverse=True)
    assert names(tmp_path / "copy.db") == ["first", "large"]
    assert len(names(path)) == 2 + len(left)
    assert not list(tmp_path.glob("*.partial"))


def test_what_was_backed_up_is_restored_over_a_log_that_was_left(path: Path) -> None:
    """The log of a killed service is not taken for the restored database's."""
    assert f"schema at revision {head_revision()}" in command(path, "backup", "kept.db").stdout
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), ROW], check=False)
    assert killed.returncode == 9
    refused = command(path, "restore", "kept.db")
    assert refused.returncode == 1
    assert "--force replaces it, and what it holds is lost" in refused.stderr
    assert path.with_name("consensus.db-wal").stat().st_size > 0
    assert command(path, "restore", "kept.db", "--force").returncode == 0
    assert names(path) == ["first"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_journal_that_was_left_is_not_taken_for_the_restored_databases(path: Path) -> None:
    """SQLite would write what is in it over the pages of whatever stands beside it."""
    assert command(path, "backup", "kept.db").returncode == 0
    write(path, "large", LARGE)
    killed = subprocess.run([sys.executable, "-c", KILLED_WITH_A_JOURNAL, str(path)], check=False)
    assert killed.returncode == 9
    assert path.with_name("consensus.db-journal").stat().st_size > 0
    assert command(path, "restore", "kept.db", "--force").returncode == 0
    assert not path.with_name("consensus.db-journal").exists()
    assert names(path) == ["first"]


def test_a_backup_is_not_overwritten_unless_told_so(path: Path) -> None:
    kept = path.with_name("kept.db")
    kept.write_text("something else", encoding="utf-8")
    refused = command(path, "backup", "kept.db")
    assert (refused.returncode, kept.read_text(encoding="utf-8")) == (1, "something else")
    assert refused.stderr.strip().endswith("kept.db is there already; --force replaces it.")
    assert command(path, "backup", "kept.db", "--force").returncode == 0
    assert names(kept) == ["first"]


def test_a_running_service_keeps_its_database(path: Path) -> None:
    assert command(path, "backup", "kept.db").returncode == 0
    database = Database(direct_options(f"sqlite:///{path}"))
    database.open()
    try:
        refused = command(path, "restore", "kept.db", "--force")
        assert refused.returncode == 1
        assert "in use by another persistence process" in refused.stderr
    finally:
        database.close()


def damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 5)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def of_another_service(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE alembic_version")


def of_a_newer_release(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
        connection.execute("UPDATE schema_compatibility SET oldest_release = '99.0.0'")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damaged, "is damaged"),
        (cut_short, "is malformed"),
        (of_another_service, "is no database of this service"),
        (of_a_newer_release, "needs release 99.0.0 or later"),
    ],
)
def test_what_cannot_be_served_is_not_restored(path: Path, harm: Callable[[Path], None], said: str) -> None:
    assert command(path, "backup", "kept.db").returncode == 0
    harm(path.with_name("kept.db"))
    refused = command(path, "restore", "kept.db", "--force")
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert names(path) == ["first"]


def test_postgresql_is_told_where_to_look(path: Path) -> None:
    environment = clean_environment(DATABASE_URL="postgresql://consensus@127.0.0.1:1/consensus")
    refused = run_command(
        "backup", "kept.dump", package="persistence_service", environment=environment, folder=path.parent
    )
    said = "PostgreSQL has commands of its own for it: docs/backup.md\n"
    assert (refused.returncode, refused.stderr) == (2, said)
