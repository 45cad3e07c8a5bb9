"""The command as a process, against a scripted service on loopback."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.launching import Launcher, free_addresses
from tests.support.processes import run_command


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """What a command sees: no settings of this machine."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {**kept, "COLUMNS": "100", **more}


Command = Callable[..., Awaitable[Ended]]


@pytest.fixture
def command() -> Command:
    """Runs `consensus …` as a process and returns how it ended."""

    async def run(*arguments: str, stdin: str = "", **more: str) -> Ended:
        done = await asyncio.to_thread(
            run_command, *arguments, environment=environment(**more), folder=Path.cwd(), typed=stdin
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """Starts what starts services, in a folder of its own."""
    with Launcher(tmp_path) as launcher:
        yield launcher


@pytest.fixture
def free_listens() -> Iterator[dict[str, str]]:
    """Addresses for both services and the door that stay theirs while the test runs."""
    with free_addresses() as addresses:
        yield addresses
