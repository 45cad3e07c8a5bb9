"""The client against a scripted service on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consensus_client import ClientOptions, ReconnectPolicy, ReviewClient
from tests.unit.consensus_client.scripted import ScriptedService, serving

IMPATIENT = ClientOptions(reconnect=ReconnectPolicy(start_seconds=0.5, follow_seconds=2.0))


@asynccontextmanager
async def connected(service: ScriptedService) -> AsyncIterator[ReviewClient]:
    """A client whose waits take no time."""

    async def no_wait(_seconds: float) -> None:
        await asyncio.sleep(0)

    async with serving(service) as address, ReviewClient(address, IMPATIENT, sleep=no_wait) as client:
        yield client
