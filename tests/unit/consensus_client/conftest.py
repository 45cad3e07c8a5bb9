"""The client, and the command as a process, against a scripted service on loopback."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from consensus_client import ClientOptions, ReconnectPolicy, ReviewClient
from tests.unit.consensus_client.scripted import ScriptedService, serving

IMPATIENT = ClientOptions(reconnect=ReconnectPolicy(start_seconds=0.5, follow_seconds=2.0))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None
    out: str
    err: str


@asynccontextmanager
async def connected(service: ScriptedService) -> AsyncIterator[ReviewClient]:
    """A client whose waits take no time."""

    async def no_wait(_seconds: float) -> None:
        await asyncio.sleep(0)

    async with serving(service) as address, ReviewClient(address, IMPATIENT, sleep=no_wait) as client:
        yield client


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
            "consensus_client",
            *arguments,
            env=environment(**more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin)
        return Ended(process.returncode, out.decode(), err.decode())

    return run
