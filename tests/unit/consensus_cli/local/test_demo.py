"""The launcher: what it starts, says, and never leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from consensus_cli.local.processes import address_of, reserve_port

WAIT_SECONDS = 100
SECURITY_RISK = "Store customers' passwords in plain text so that support can read them back"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "consensus_cli.local.demo", *arguments]


def environment(**more: str) -> dict[str, str]:
    """An empty environment but for where programs are, and where no service of somebody else is."""
    return {"PATH": os.environ["PATH"], "PYTHONUTF8": "1", "REVIEW_LISTEN": "127.0.0.1:1", **more}


@pytest.fixture
def free_listens() -> Iterator[dict[str, str]]:
    """Addresses for both services and the door that stay theirs while the test runs."""
    names = ("REVIEW_LISTEN", "PERSISTENCE_LISTEN", "PERSISTENCE_INTERNAL_LISTEN", "DOOR_LISTEN")
    with ExitStack() as held:
        yield {name: address_of(held.enter_context(reserve_port())) for name in names}


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the launcher in a folder of its own; ends it whatever the test found."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(*arguments), cwd=tmp_path, env=environment(TMPDIR=str(tmp_path), **more), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def children_of(process: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """The processes that it started, once there are so many."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = psutil.Process(process.pid).children()
        if len(found) == count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{count} processes expected")


def are_gone(processes: list[psutil.Process]) -> bool:
    """Whether they end, soon."""
    return not psutil.wait_procs(processes, timeout=WAIT_SECONDS)[1]


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Reads its output up to a line with this text."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    _, err = process.communicate(timeout=WAIT_SECONDS)
    raise AssertionError(f"it ended without saying {text!r}: {err}")


def test_one_review_runs_from_nothing_and_leaves_nothing_running(start: Start, tmp_path: Path) -> None:
    process = start("--idea", SECURITY_RISK)
    children = children_of(process, 3)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert "no OPENAI_API_KEY: the offline model answers, by rules" in err
    assert "REJECT" in out
    assert "security-critical" in out
    assert are_gone(children)
    assert (tmp_path / "data" / "consensus.db").exists()
    assert not list(tmp_path.glob("consensus-*"))


def test_the_idea_comes_from_the_environment_too(start: Start) -> None:
    out, _ = (process := start(IDEA="-5 degrees: we warn of frost.")).communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert "confidence" in out


def test_no_idea_is_wrong_usage(start: Start) -> None:
    process = start("--idea", " ")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert 'make review IDEA="…"' in err


def test_a_service_that_cannot_start_is_named_with_its_log(start: Start, tmp_path: Path) -> None:
    process = start("--idea", "An idea.", DATABASE_URL="mysql://nowhere/x")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert "persistence service ended with exit code 2" in err
    assert "DATABASE_URL" in err
    assert "Traceback" not in err
    (directory,) = tmp_path.glob("consensus-*")
    assert str(directory / "persistence-service.log") in err


def test_a_database_that_is_not_there_is_said_in_one_line(start: Start) -> None:
    process = start("--idea", "An idea.", DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/x")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    _, said = err.splitlines()  # the first says which model answers
    assert said.startswith("error: cannot reach the database that DATABASE_URL or DB_HOST names: ")
    assert "port 1 failed: Connection refused" in said
    assert "secret" not in err


def test_a_folder_that_cannot_be_written_is_said_in_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process = start("--idea", "An idea.", DATABASE_URL=f"sqlite:///{tmp_path}/file/deeper/x.db")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    _, said = err.splitlines()
    where = f"{tmp_path}/file/deeper/x.db: Not a directory"
    assert said == (
        f"error: persistence service: cannot write the database's file {where}. DATABASE_URL names another."
    )


def test_up_says_what_it_waits_for_and_where_everything_is_and_drains_on_ctrl_c(
    start: Start, free_listens: dict[str, str]
) -> None:
    process = start("--up", LOG_LEVEL="INFO", **free_listens)
    wait_for(process, f"page and HTTP        http://{free_listens['DOOR_LISTEN']}/")
    wait_for(process, f"--door http://{free_listens['DOOR_LISTEN']} review")
    wait_for(process, "Ctrl-C stops everything.")
    children = children_of(process, 4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert are_gone(children)
    assert "Traceback" not in err
    assert "waiting for the persistence service, and its database" in err
    drained = [line for line in err.splitlines() if '"event":"stopped"' in line]
    ended = ("door", "review", "persistence")
    assert [name in line for name, line in zip(ended, drained, strict=True)] == [True] * 3


def test_a_review_beside_it_uses_it_and_its_log_leaves_the_addresses_alone(
    start: Start, free_listens: dict[str, str]
) -> None:
    up = start("--up", METRICS_LISTEN="127.0.0.1:0", **free_listens)
    wait_for(up, "Ctrl-C stops everything.")
    out, err = start("--idea", SECURITY_RISK, **free_listens).communicate(timeout=WAIT_SECONDS)
    assert f"using the review service that runs at {free_listens['REVIEW_LISTEN']}" in err
    assert "REJECT" in out
    assert f"\nhttp://{free_listens['DOOR_LISTEN']}/runs/" in out
    up.send_signal(signal.SIGINT)
    out, err = up.communicate(timeout=WAIT_SECONDS)
    assert out == ""
    assert '"level":"info"' not in err
    assert "Traceback" not in err


def test_up_takes_another_port_where_the_usual_one_is_taken(
    start: Start, free_listens: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address_of(taken)
        process = start("--up", **(free_listens | {"REVIEW_LISTEN": address}))
        wait_for(process, "Ctrl-C stops everything.")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert f"{address} is taken" in err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_what_it_started_ends_even_when_it_is_killed(start: Start, free_listens: dict[str, str]) -> None:
    process = start("--up", **free_listens)
    children = children_of(process, 4)
    process.kill()
    assert are_gone(children)
