"""The receiver of webhooks, over HTTP: the only room of this service that makes calls to elsewhere."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from consensus_contract.webhooks import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

_GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call. `failure` None: it was taken; `is_final`: another would end so too."""

    failure: str | None = None
    is_final: bool = False


class Receiver:
    """Sends signed messages to one address; made and used on the event loop.

    Of an answer only the status is read, and no redirect is followed, so that a receiver can neither make
    this process wait for longer than the time-out nor send it elsewhere.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[bytes],
        *,
        timeout_seconds: float,
        max_connections: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Connects to nothing yet. Each of the secrets signs, so that receivers can change theirs."""
        self._url = url
        self._secrets = secrets
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message_id: str, body: bytes) -> Answer:
        """Sends a message once."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=self._timeout,
            )
        headers = {"Content-Type": "application/json", **self._signed(message_id, body)}
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return _answer(response.status)
        # Their texts may hold the address; a host that is no name is a ValueError.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(type(error).__name__)

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        now = int(self._clock())
        signatures = (signature(secret, message_id, now, body) for secret in self._secrets)
        return {ID_HEADER: message_id, TIMESTAMP_HEADER: str(now), SIGNATURE_HEADER: " ".join(signatures)}


def _answer(status: int) -> Answer:
    if status // 100 == 2:
        return Answer()
    return Answer(f"status {status}", is_final=status == _GONE)
