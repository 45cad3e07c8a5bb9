"""A provider that answers some calls with an attack, and hands the others on to the offline model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from tests.support.loopback import listening

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Writes an answer to a request's body."""

_PIECE_BYTES = 65_536


def raw_answer(raw: bytes) -> Answer:
    """These bytes, whatever is asked."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return answer


class HostileProvider:
    """Calls whose body holds all of an attack's marks get its answer."""

    def __init__(self) -> None:
        self._model = ("127.0.0.1", 0)
        self._answers: dict[tuple[bytes, ...], Answer] = {}
        self.address = ""

    def hand_on_to(self, model_url: str) -> None:
        """Where calls without a mark go from now on."""
        host, _, port = model_url.rpartition("//")[2].rpartition(":")
        self._model = (host, int(port))

    def answer(self, answer: Answer, *marks: str) -> None:
        """From now on, calls with these marks get this answer."""
        self._answers[tuple(mark.encode() for mark in marks)] = answer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["HostileProvider"]:
        """Listens on a free port of loopback."""
        async with listening(self._handle) as port:
            self.address = f"127.0.0.1:{port}"
            yield self

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            found = next((a for marks, a in self._answers.items() if all(m in body for m in marks)), None)
            if found is None:
                await self._hand_on(head, body, writer)
            else:
                await found(body, writer)
                await writer.drain()

    async def _hand_on(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        """The offline model's answer, as it comes; its connection is closed after it."""
        model, sender = await asyncio.open_connection(*self._model)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        sender.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]) + body)
        while piece := await model.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
        sender.close()
