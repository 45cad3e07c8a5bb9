"""Reads a request's body whole, before anything is begun for it: bounded in bytes, in time, and in sum."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import Receive

from consensus_rpc.errors import CallDeadlineExceeded, MessageTooLarge, Overloaded

_MOST_HELD_BODIES = 16


class CallerLeft(Exception):  # noqa: N818 - says what happened
    """The connection ended before its request was there."""


@dataclass(slots=True)
class Bodies:
    """The bodies that are held: each within its limit (bytes, seconds), all of them within sixteen of it."""

    max_bytes: int
    seconds: float
    _held: int = field(default=0, init=False)

    async def read(self, receive: Receive, announced: int | None) -> bytes:
        """The body; who has read it gives its bytes back by `release`.

        Raises:
            MessageTooLarge: it is longer than may be, or says that it is.
            CallDeadlineExceeded: it did not come in time.
            Overloaded: the bodies of others leave no room for it.
            CallerLeft: nobody sends it any more.
        """
        if announced is not None and announced > self.max_bytes:
            raise MessageTooLarge(limit_bytes=self.max_bytes)
        body = bytearray()
        try:
            async with asyncio.timeout(self.seconds):
                while await self._take(receive, body):
                    pass
        except BaseException as error:
            self.release(len(body))
            if isinstance(error, TimeoutError):
                raise CallDeadlineExceeded(f"the request did not come within {self.seconds:g} s") from None
            raise
        return bytes(body)

    def release(self, count: int) -> None:
        """These bytes are held no more."""
        self._held -= count

    async def _take(self, receive: Receive, body: bytearray) -> bool:
        """Adds the next part; whether there is more."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft
        part: bytes = message.get("body", b"")
        if len(body) + len(part) > self.max_bytes:
            raise MessageTooLarge(limit_bytes=self.max_bytes)
        if self._held + len(part) > _MOST_HELD_BODIES * self.max_bytes:
            raise Overloaded(subject="bytes of requests", limit=_MOST_HELD_BODIES * self.max_bytes)
        body += part
        self._held += len(part)
        return bool(message.get("more_body", False))
