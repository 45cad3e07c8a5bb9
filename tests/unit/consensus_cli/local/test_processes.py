"""Processes of a command: started, waited for, and always stopped."""

import os
import signal
import socket
from pathlib import Path

import pytest

from consensus_cli.local.processes import ChildFailed, Children, reserve_port

WAIT_SECONDS = 60


def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(__file__).with_name('ready').touch()\n"
        "time.sleep(600)\n"
    )
    with Children(grace_seconds=0.1) as children:
        settings = {**os.environ, "PYTHONPATH": str(tmp_path)}
        child = children.start("stubborn", ["stubborn"], settings, tmp_path / "log")
        children.wait_until((tmp_path / "ready").exists, "stubborn", WAIT_SECONDS)
    assert child.process.returncode == -signal.SIGKILL


def test_waiting_ends_when_a_process_does(tmp_path: Path) -> None:
    with Children() as children:
        children.start("missing", ["no_such_module"], os.environ, tmp_path / "log")
        with pytest.raises(ChildFailed) as raised:
            children.wait_until(lambda: False, "missing", WAIT_SECONDS)
    said = str(raised.value)
    assert said.startswith("missing ended with exit code 1; its log ")
    assert said.endswith("No module named no_such_module")


def test_a_reserved_port_is_kept_from_others_until_a_server_takes_it() -> None:
    with reserve_port() as held:
        port = held.getsockname()[1]
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            pass


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_a_port_of_ipv6_is_free_until_it_is_taken() -> None:
    with reserve_port("::1") as held:
        port = held.getsockname()[1]
        held.listen()
        with pytest.raises(OSError, match="in use"):
            reserve_port("::1", port)
