"""`consensus up`: what it starts, says, refuses, and never leaves behind."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from consensus_cli.local.launch_settings import LaunchSettings
from consensus_cli.local.processes import address_of
from tests.support.launching import (
    SECURITY_RISK,
    WAIT_SECONDS,
    Launcher,
    are_gone,
    children_of,
    wait_for,
)


def up(launcher: Launcher, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    return launcher.start(sys.executable, "-m", "consensus_cli", "up", *arguments, **settings)


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str]:
    """What it has left to say after this signal."""
    process.send_signal(number)
    return process.communicate(timeout=WAIT_SECONDS)


def test_it_says_what_it_waits_for_and_where_everything_is_and_drains_on_ctrl_c(
    launcher: Launcher, free_listens: dict[str, str]
) -> None:
    process = up(launcher, LOG_LEVEL="INFO", **free_listens)
    wait_for(process, f"page and HTTP        http://{free_listens['DOOR_LISTEN']}/")
    wait_for(process, f"--door http://{free_listens['DOOR_LISTEN']} review")
    wait_for(process, "Ctrl-C stops everything.")
    children = children_of(process, 4)
    _, err = end(process)
    assert process.returncode == 0
    assert are_gone(children)
    assert "Traceback" not in err
    assert "waiting for the persistence service, and its database" in err
    drained = [line for line in err.splitlines() if '"event":"stopped"' in line]
    ended = ("door", "review", "persistence")
    assert [name in line for name, line in zip(ended, drained, strict=True)] == [True] * 3


def test_a_review_beside_it_uses_it_and_its_log_leaves_the_addresses_alone(
    launcher: Launcher, free_listens: dict[str, str]
) -> None:
    process = up(launcher, METRICS_LISTEN="127.0.0.1:0", **free_listens)
    wait_for(process, "Ctrl-C stops everything.")
    demo = (sys.executable, "-m", "consensus_cli.demo", "--idea", SECURITY_RISK)
    out, err = launcher.start(*demo, **free_listens).communicate(timeout=WAIT_SECONDS)
    assert f"using the review service that runs at {free_listens['REVIEW_LISTEN']}" in err
    assert "REJECT" in out
    assert f"\nhttp://{free_listens['DOOR_LISTEN']}/runs/" in out
    out, err = end(process)
    assert out == ""
    assert '"level":"info"' not in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [([], "state/consensus/consensus.db"), (["--data", "50% of it"], "50% of it/consensus.db")],
    ids=["default", "data"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="folders for state have other names elsewhere")
def test_runs_are_kept_where_it_was_told(
    launcher: Launcher, free_listens: dict[str, str], tmp_path: Path, arguments: list[str], kept: str
) -> None:
    process = up(launcher, *arguments, XDG_STATE_HOME=str(tmp_path / "state"), **free_listens)
    wait_for(process, "Ctrl-C stops everything.")
    end(process)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")] == [kept]


@pytest.mark.parametrize(
    ("settings", "is_named"),
    [
        ({}, False),
        ({"DATABASE_URL": "", "DB_HOST": ""}, False),
        ({"DATABASE_URL": "sqlite:///named.db"}, True),
        ({"DB_PASSWORD": "secret"}, True),
    ],
)
def test_a_database_that_is_named_is_taken(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], is_named: bool
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert LaunchSettings.load().names_database is is_named


def test_a_folder_that_cannot_be_made_is_said_in_one_line(
    launcher: Launcher, free_listens: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    process = up(launcher, "--data", "file/deeper", **free_listens)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert err == f"error: cannot make the folder {tmp_path}/file/deeper: Not a directory\n"


def test_ports_in_use_are_refused_in_one_line(launcher: Launcher, free_listens: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address_of(taken)
        process = up(launcher, **(free_listens | {"REVIEW_LISTEN": address}))
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    (said,) = err.splitlines()
    assert said.startswith(f"error: already in use: {address} (REVIEW_LISTEN); --free-ports takes")


def test_it_takes_free_ports_where_it_may(launcher: Launcher, free_listens: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address_of(taken)
        process = up(launcher, "--free-ports", **(free_listens | {"REVIEW_LISTEN": address}))
        wait_for(process, "Ctrl-C stops everything.")
        _, err = end(process, signal.SIGTERM)
    assert process.returncode == 0
    assert f"{address} is taken" in err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_what_it_started_ends_even_when_it_is_killed(
    launcher: Launcher, free_listens: dict[str, str]
) -> None:
    process = up(launcher, **free_listens)
    children = children_of(process, 4)
    process.kill()
    assert are_gone(children)
