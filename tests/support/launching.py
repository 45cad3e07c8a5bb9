"""Commands that start the services themselves: begun, waited for, and never left behind."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import psutil

from consensus_cli.local.processes import address_of, reserve_port

WAIT_SECONDS = 100
SECURITY_RISK = "Store customers' passwords in plain text so that support can read them back"

_LISTENS = ("REVIEW_LISTEN", "PERSISTENCE_LISTEN", "PERSISTENCE_INTERNAL_LISTEN", "DOOR_LISTEN")


@contextmanager
def free_addresses() -> Iterator[dict[str, str]]:
    """Settings that say where to listen, with ports that nobody else is given meanwhile."""
    with ExitStack() as held:
        yield {name: address_of(held.enter_context(reserve_port())) for name in _LISTENS}


class Launcher:
    """Starts commands in a folder, with an environment that is empty but for where programs are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        """Begins one; unless told otherwise it is at home there, and finds no service of somebody else."""
        own = {"PYTHONUTF8": "1", "REVIEW_LISTEN": "127.0.0.1:1", "HOME": str(self._folder)}
        process = subprocess.Popen(
            command, cwd=self._folder, text=True,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self._folder), **own, **settings},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends them, whatever the test found."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            with process:  # closes its pipes, which what it has left behind would keep open
                pass


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
