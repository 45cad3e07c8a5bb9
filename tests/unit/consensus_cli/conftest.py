"""The command as a process, against a scripted service on loopback."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest


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

    async def run(*arguments: str, stdin: bytes = b"", **more: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "consensus_cli",
            *arguments,
            env=environment(**more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin)
        return Ended(process.returncode, out.decode(), err.decode())

    return run
