"""Servers of a test's own on the loopback, of which nothing is left when they end."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_PATIENCE_SECONDS = 5.0
# From accepting a connection to `served`: one that was accepted at the very end is on its way there.
_HAND_OVERS = 10


@contextlib.asynccontextmanager
async def listening(handle: Handle, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serves on a free port, which it yields; closes what `handle` leaves, and waits until it is closed.

    asyncio's own server waits for no connection before Python 3.12: one that was still closing would be found
    by the garbage collector in some later test, and fail that one.
    """
    connections: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()
            connections.discard(task)

    async with await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]
    for _ in range(_HAND_OVERS):
        await asyncio.sleep(0)
    if connections:
        _, pending = await asyncio.wait(connections, timeout=_PATIENCE_SECONDS)
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
