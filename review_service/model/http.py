"""How the `openai` package's requests travel: the package makes them, they are sent here, each once.

A call is in flight for seconds or minutes, and its answer is waited for with as little as that takes: the
package has come back with the request by then (`UnsentRequests`), the session with what the answer will be
(`_Pending`). Were they still under way, a call in flight would take twice the memory.
"""

import functools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from review_service.model.body import ACCEPTED_ENCODINGS, BoundedBody, UndecodableBodyError
from review_service.model.unanswered import Unanswered, unanswered

_KEEPALIVE_SECONDS = 30.0
_NOTHING = httpx2.ByteStream(b"")  # given one, an answer is made in a tenth of the time


def connecting_within(seconds: float) -> aiohttp.ClientTimeout:
    """The time to connect; the attempt as a whole is bounded by who makes it."""
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds)


CONNECTING: Final = connecting_within(10.0)


class SentOnce(aiohttp.Payload, httpx2.AsyncByteStream):
    """A request's body, to both libraries; its bytes exist while they are measured and while they are sent.

    `make` gives the same bytes each time; `on_sending` is told when they begin to leave.

    Many calls may wait for their connections at once, and then for minutes for their answers.
    """

    def __init__(self, make: Callable[[], bytes], on_sending: Callable[[], None]) -> None:
        super().__init__(make)
        self._length = len(make())
        self._on_sending = on_sending

    @property
    def size(self) -> int:
        return self._length

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._on_sending()
        await writer.write(self._value())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._value()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value(), encoding, errors)


class UnsentRequests(httpx2.AsyncClient):
    """For the package its client, and sends nothing: a request comes back in an answer of its own."""

    def __init__(self) -> None:
        super().__init__(transport=httpx2.AsyncBaseTransport())

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """The request as it is; nothing of a client's own is merged into it."""
        headers, items = _shared(tuple(parts["headers"]))
        return httpx2.Request(
            method, _parsed(url), headers=headers, stream=parts["content"], extensions={"headers": items}
        )

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """The answer that stands for the request."""
        return httpx2.Response(200, stream=_NOTHING, request=request)


@dataclass(frozen=True, slots=True)
class BodyCaps:
    """How many bytes of a body are taken, as they come and decoded."""

    answer: int
    error: int = 65_536

    @property
    def stream(self) -> int:
        """The same answer in events, which say of each few letters what they belong to."""
        return 4 * self.answer


@dataclass(frozen=True, slots=True)
class Received:
    """An answer, its body decoded; `is_cut`: there was more of it than is taken."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool

    @property
    def is_success(self) -> bool:
        return _is_success(self.status)


class Kept:
    """What came of an answer, for whoever wants it even though its time ended before it did."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body: BoundedBody | None = None

    def received(self) -> Received | None:
        """The answer so far; None when nothing of it came, or what came cannot be decoded."""
        return None if self.body is None else Received(self.status, self.headers, self.body.so_far(), True)


class _Pending(aiohttp.ClientResponse):
    """An answer that its session does not wait for, only `arrive`."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Notes where it will come from, and waits for nothing."""
        self._comes_from = connection
        return self

    async def arrive(self, caps: BodyCaps, kept: Kept | None) -> Received:
        """Waits for all of it; closes the connection when that fails or is cancelled, or it is too long."""
        try:
            await super().start(self._comes_from)
            cap = caps.error
            if _is_success(self.status):
                cap = caps.answer if kept is None else caps.stream
            body, is_cut = await self._taken(cap, kept)
        except BaseException:
            self.close()
            raise
        return Received(self.status, self.headers, body, is_cut)

    async def _taken(self, cap: int, kept: Kept | None) -> tuple[bytes, bool]:
        """The body, and whether there was more; of an error whose body is broken its status is enough."""
        try:
            body = BoundedBody(",".join(self.headers.getall("Content-Encoding", ())), cap)
            if kept is not None:
                kept.status, kept.headers, kept.body = self.status, self.headers, body
            async for piece in self.content.iter_any():
                if not body.take(piece):
                    self.close()
                    break
            return body.whole(), body.is_cut
        except (UndecodableBodyError, aiohttp.ClientPayloadError):
            if _is_success(self.status):
                raise
            self.close()
            return b"", True


@functools.cache
def _trusting() -> ssl.SSLContext:
    """Whom TLS is spoken with: those vouched for by the authorities that the environment or certifi names."""
    return httpx2.create_ssl_context()


class SingleExchange:
    """Sends a request and reads its answer up to a cap; follows nothing, keeps no cookies.

    Cancelling closes the connection. Used inside one event loop; `aclose` ends it.
    """

    def __init__(self, *, max_connections: int, caps: BodyCaps) -> None:
        self._max_connections = max_connections
        self._caps = caps
        self._proxy = functools.cache(_proxy)
        _trusting()  # read now: within the first call it would hold the loop for a tenth of a second

    @functools.cached_property
    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections,
                keepalive_timeout=_KEEPALIVE_SECONDS,
                ssl=_trusting(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=CONNECTING,
            response_class=_Pending,
            auto_decompress=False,  # the answer's own class does it, up to the cap
            headers={"Accept-Encoding": ACCEPTED_ENCODINGS},
        )

    async def send(
        self,
        request: httpx2.Request,
        connecting: aiohttp.ClientTimeout = CONNECTING,
        kept: Kept | None = None,
    ) -> Received | Unanswered:
        """One request and what came of it, as a value whatever the other side does.

        `kept` is told what comes while it comes: the caller reads it when time ends first.
        """
        try:
            answer = await self._session.request(
                request.method,
                str(request.url),
                headers=request.extensions["headers"],
                data=request.stream,
                # The key and the prompt must not go to a host that nobody chose.
                allow_redirects=False,
                proxy=self._proxy(request.url.scheme, request.url.host),
                timeout=connecting,
            )
            assert isinstance(answer, _Pending)
            del request  # sent
            return await answer.arrive(self._caps, kept)
        except (aiohttp.ClientError, OSError, UndecodableBodyError) as error:  # its timeouts are OSErrors
            return unanswered(error)

    async def aclose(self) -> None:
        """Closes all connections."""
        if "_session" in self.__dict__:
            await self._session.close()


def _is_success(status: int) -> bool:
    return 200 <= status < 300


# Address and headers are the same for each call: calls in flight share one of either.
@functools.lru_cache(maxsize=128)
def _parsed(url: httpx2.URL | str) -> httpx2.URL:
    return httpx2.URL(url)


@functools.lru_cache(maxsize=128)
def _shared(items: tuple[tuple[str, str], ...]) -> tuple[httpx2.Headers, CIMultiDict[str]]:
    """The headers, for either library."""
    return httpx2.Headers(items), CIMultiDict(items)


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")
