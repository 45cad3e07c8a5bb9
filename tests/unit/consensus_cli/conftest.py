"""The command as a process, against a scripted service on loopback."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

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
