"""A receiver of webhooks: keeps what it is sent, and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from consensus_client import verify_webhook
from consensus_contract.webhooks import new_secret
from tests.support.loopback import listening
from tests.support.raw_provider import http

SECRET = new_secret()
HANGS = b""
"""An answer that never comes."""


def status(code: int, *headers: str) -> bytes:
    """An answer of this status."""
    return http(b"", *headers, status=f"{code} Any")


@dataclass(slots=True)
class Sent:
    """A webhook as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The same for each attempt to tell of one end."""
        return self.headers["webhook-id"]

    def verified(self, secret: str = SECRET) -> dict[str, Any]:
        """What it says."""
        return verify_webhook(secret, self.headers, self.body)


@dataclass(slots=True)
class WebhookReceiver:
    """Answers with `answers`, one after the other, then with status 204."""

    answers: list[bytes] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    taken: list[Sent] = field(default_factory=list)
    """Those of them that were answered with success."""
    url: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["WebhookReceiver"]:
        """Serves on a free port of the loopback."""
        async with listening(self._take) as port:
            self.url = f"http://127.0.0.1:{port}/hooks?code=only-receivers-know"
            yield self

    async def got(self, count: int, timeout_seconds: float = 60.0) -> list[Sent]:
        """All that came, once there are so many."""
        async with asyncio.timeout(timeout_seconds):
            while len(self.sent) < count:
                self._news.clear()
                await self._news.wait()
        return self.sent

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        sent = Sent(headers, await reader.readexactly(int(headers["content-length"])))
        answer = self.answers.pop(0) if self.answers else status(204)
        self.sent.append(sent)
        self._news.set()
        if answer == HANGS:
            await reader.read()  # until whoever asked goes away
        if answer.startswith(b"HTTP/1.1 2"):
            self.taken.append(sent)
        writer.write(answer)
        await writer.drain()
