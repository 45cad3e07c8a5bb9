import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest

from tests.support import postgres


def ask(url: str, statement: str) -> object:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(folder: Path, pid: int) -> None:
    limit = time.monotonic() + 20
    while folder.exists() or is_running(pid):
        assert time.monotonic() < limit, f"{folder} or process {pid} is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_the_server_keeps_what_it_acknowledged(postgres_server: postgres.Server, setting: str) -> None:
    assert ask(postgres_server.admin_url, f"SHOW {setting}") == "on"


def test_a_database_is_a_copy_of_its_template(postgres_server: postgres.Server) -> None:
    with postgres_server.database() as template:
        ask(template, "CREATE TABLE kept AS SELECT 42 AS answer")
        with postgres_server.database(urlsplit(template).path[1:]) as copy:
            assert ask(copy, "SELECT answer FROM kept") == 42


def test_a_database_is_dropped_under_its_connections(postgres_server: postgres.Server) -> None:
    with postgres_server.database() as url:
        forgotten = psycopg2.connect(url)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(url)
    forgotten.close()


def test_a_given_server_is_used_and_not_stopped(
    postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", postgres_server.admin_url)
    with postgres.server() as given:
        assert not isinstance(given, postgres.Cluster)
    assert ask(given.admin_url, "SELECT 1") == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_committed_rows_survive_a_restart(mode: postgres.StopMode) -> None:
    with postgres.Cluster() as cluster:
        url = cluster.create_database()
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        cluster.stop(mode)
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url)
        cluster.start()
        assert ask(url, "SELECT answer FROM kept") == 42


def test_closing_leaves_neither_process_nor_file() -> None:
    cluster = postgres.Cluster()
    pid = cluster.pid
    assert pid is not None
    cluster.close()
    wait_until_gone(cluster.folder, pid)


def test_a_stopped_server_can_be_closed() -> None:
    cluster = postgres.Cluster()
    cluster.stop()
    cluster.close()
    assert not cluster.folder.exists()


def test_a_server_whose_processes_stand_still_can_be_closed() -> None:
    cluster = postgres.Cluster()
    pid = cluster.pid
    assert pid is not None
    postmaster = psutil.Process(pid)
    for process in (postmaster, *postmaster.children()):
        process.suspend()
    cluster.close()
    wait_until_gone(cluster.folder, pid)


def test_the_reason_is_told_when_the_server_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="no_such_setting"):
        postgres.Cluster(no_such_setting="on")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_the_process_that_made_it(end: signal.Signals, tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.support.postgres"],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert owner.stdout is not None
    with owner, owner.stdout:
        assert owner.stdout.readline().startswith("DATABASE_URL=postgresql://")
        (folder,) = tmp_path.iterdir()
        pid = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        owner.send_signal(end)
    wait_until_gone(folder, pid)
