"""How the `openai` package's requests travel: the package makes them, they are sent here, each once.

A call is in flight for seconds or minutes, and its answer is waited for with as little as that takes: the
package has come back with the request by then (`UnsentRequests`), the session with what the answer will be
(`_Pending`). Were they still under way, a call in flight would take twice the memory.
"""

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

_CONNECT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 30.0
_NOTHING = httpx2.ByteStream(b"")  # given one, an answer is made in a tenth of the time


class SentOnce(aiohttp.Payload, httpx2.AsyncByteStream):
    """A request's body, to both libraries; its bytes exist while they are measured and while they are sent.

    `make` gives the same bytes each time.

    Many calls may wait for their connections at once, and then for minutes for their answers.
    """

    def __init__(self, make: Callable[[], bytes]) -> None:
        super().__init__(make)
        self._length = len(make())

    @property
    def size(self) -> int:
        return self._length

    async def write(self, writer: AbstractStreamWriter) -> None:
        await writer.write(self._value())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._value()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value(), encoding, errors)


class Answered(httpx2.AsyncByteStream):
    """The content of a request that has its answer."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer


class UnsentRequests(httpx2.AsyncClient):
    """For the package its client, and sends nothing: a request comes back in an answer of its own.

    One whose content is Answered comes back with that answer, for the package to judge.
    """

    def __init__(self) -> None:
        super().__init__(transport=httpx2.AsyncBaseTransport())

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """The request as it is; nothing of a client's own is merged into it."""
        headers, items = _shared(tuple(parts["headers"]))
        return httpx2.Request(
            method, _parsed(url), headers=headers, stream=parts["content"], extensions={"headers": items}
        )

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """The answer that stands for the request, or the one that it has."""
        if not isinstance(request.stream, Answered):
            return httpx2.Response(200, stream=_NOTHING, request=request)
        answer = request.stream.answer
        answer.request = request
        return answer


class _Pending(aiohttp.ClientResponse):
    """An answer that its session does not wait for, only `arrive`."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Notes where it will come from, and waits for nothing."""
        self._comes_from = connection
        return self

    async def arrive(self) -> bytes:
        """Waits for all of it; closes the connection when that fails or is cancelled."""
        try:
            await super().start(self._comes_from)
            return await self.read()
        except BaseException:
            self.close()
            raise


class SingleExchange:
    """Sends a request and reads the whole answer; follows nothing, keeps no cookies.

    Cancelling closes the connection. Used inside one event loop; `aclose` ends it.
    """

    def __init__(self, *, max_connections: int) -> None:
        self._max_connections = max_connections
        self._proxy = functools.cache(_proxy)

    @functools.cached_property
    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections,
                keepalive_timeout=_KEEPALIVE_SECONDS,
                ssl=httpx2.create_ssl_context(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The attempt as a whole is bounded by who makes it.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            response_class=_Pending,
            auto_decompress=False,  # the answer's own class does it
        )

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """One request, one answer, whose `request` is left open.

        Raises:
            httpx2.TimeoutException: no connection within ten seconds.
            httpx2.TransportError: no connection, or one that broke, or no HTTP on it.
            httpx2.DecodingError: the answer is not encoded as it says.
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
            )
            assert isinstance(answer, _Pending)
            del request  # sent
            content = await answer.arrive()
        except TimeoutError as error:  # aiohttp's timeouts are these
            raise httpx2.TimeoutException(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.TransportError(str(error)) from error
        return httpx2.Response(answer.status, headers=answer.raw_headers, content=content)

    async def aclose(self) -> None:
        """Closes all connections."""
        if "_session" in self.__dict__:
            await self._session.close()


# Address and headers are the same for each call: calls in flight share one of either.
@functools.lru_cache(maxsize=8)
def _parsed(url: httpx2.URL | str) -> httpx2.URL:
    return httpx2.URL(url)


@functools.lru_cache(maxsize=8)
def _shared(items: tuple[tuple[str, str], ...]) -> tuple[httpx2.Headers, CIMultiDict[str]]:
    """The headers, for either library."""
    return httpx2.Headers(items), CIMultiDict(items)


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")
