"""A TCP proxy between any two parts, whose faults are switched while connections are open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

_CHUNK_BYTES = 65536
# SO_LINGER with a time of zero makes close() send RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class _Pair:
    """One proxied connection: what the client sees, and what the server sees."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter


@dataclass(slots=True)
class FaultProxy:
    """Forwards `address` to `target` (both `host:port`) and misbehaves on request.

    Faults hold for connections that are open as well as for new ones.
    """

    target: str
    address: str = ""
    connection_count: int = 0
    _delay_seconds: float = 0.0
    _forward: asyncio.Event = field(default_factory=asyncio.Event)
    _refusing: bool = False
    _drop_replies: bool = False
    _server: asyncio.Server | None = None
    _pairs: set[_Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _closed: bool = False

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, target: str) -> AsyncIterator[FaultProxy]:
        """Listens on a free port of 127.0.0.1 until the block ends."""
        proxy = cls(target)
        proxy._forward.set()
        proxy._server = await asyncio.start_server(proxy._accepted, "127.0.0.1", 0)
        host, port = proxy._server.sockets[0].getsockname()
        proxy.address = f"{host}:{port}"
        try:
            yield proxy
        finally:
            await proxy._close()

    def delay(self, seconds: float) -> None:
        """Holds every chunk for `seconds`, in both directions; 0 ends it."""
        self._delay_seconds = seconds

    def black_hole(self) -> None:
        """Takes bytes and forwards none, as a network does that drops packets."""
        self._forward.clear()

    def drop_replies(self) -> None:
        """Forwards requests and swallows what the target answers, until `heal`."""
        self._drop_replies = True

    def heal(self) -> None:
        """Ends every fault; what a black hole has taken is forwarded now."""
        self._delay_seconds = 0.0
        self._refusing = False
        self._drop_replies = False
        self._forward.set()

    def refuse(self) -> None:
        """Resets every connection, and every new one at once."""
        self._refusing = True
        self.reset()

    def reset(self) -> None:
        """Cuts every open connection with RST; new ones are served."""
        for pair in list(self._pairs):
            for writer in (pair.client, pair.server):
                _reset(writer)
        self._pairs.clear()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known at once, so that it is closed even where nothing of it is done before the loop ends."""
        self.connection_count += 1
        self._writers.append(writer)
        self._spawn(self._accept(reader, writer))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses():
            _reset(writer)
            return
        host, port = self.target.rsplit(":", 1)
        try:
            target_reader, target_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            _reset(writer)
            return
        self._writers.append(target_writer)
        if self._refuses():  # by now
            _reset(writer)
            _reset(target_writer)
            return
        pair = _Pair(writer, target_writer)
        self._pairs.add(pair)
        self._spawn(self._pump(reader, target_writer, pair, is_reply=False))
        self._spawn(self._pump(target_reader, writer, pair, is_reply=True))

    def _refuses(self) -> bool:
        return self._refusing or self._closed

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pair: _Pair, *, is_reply: bool
    ) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while chunk := await source.read(_CHUNK_BYTES):
                    if self._delay_seconds:
                        await asyncio.sleep(self._delay_seconds)
                    await self._forward.wait()
                    if is_reply and self._drop_replies:
                        continue
                    sink.write(chunk)
                    await sink.drain()
        finally:
            sink.close()  # the other direction closes the other end, be it only when the proxy ends
            self._pairs.discard(pair)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._closed = True
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # One that is left open would be found by the garbage collector in some later test, and fail that one.
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(each.wait_closed() for each in self._writers), return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
