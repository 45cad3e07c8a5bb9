"""Clients of `/control` for tests and scripts: ControlClient for asyncio, SyncControlClient without."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from offline_model.script import Rule

_TIMEOUT_SECONDS = 30.0
_SLACK_SECONDS = 5.0


class ControlError(RuntimeError):
    """The server refused a control request, or a wait was in vain; the text says why."""


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    body: Any = None
    timeout_seconds: float = _TIMEOUT_SECONDS


def _script(rules: tuple[Rule, ...]) -> _Call:
    return _Call("POST", "/control/script", [rule.model_dump(exclude_defaults=True) for rule in rules])


def _counters(filters: Mapping[str, str | int]) -> _Call:
    return _Call("GET", f"/control/counters?{urllib.parse.urlencode(filters)}")


def _wait(least: Mapping[str, int], filters: Mapping[str, str | int], timeout_seconds: float) -> _Call:
    body = {"least": dict(least), "filters": dict(filters), "timeout_seconds": timeout_seconds}
    return _Call("POST", "/control/wait", body, timeout_seconds + _SLACK_SECONDS)


def _result(call: _Call, status: int, raw: bytes) -> Any:
    if status >= 400:
        raise ControlError(f"{call.method} {call.path}: {status} {raw.decode(errors='replace')}")
    return json.loads(raw)


class ControlClient:
    """Steers an offline model; use it as `async with ControlClient(url) as control`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def script(self, *rules: Rule) -> None:
        """Append rules to the fault script."""
        await self._send(_script(rules))

    async def release(self, name: str) -> None:
        """Let the answers held under this name go."""
        await self._send(_Call("POST", "/control/release", {"name": name}))

    async def reset(self) -> None:
        """Forget script, counters and recorded requests, and let go what is held."""
        await self._send(_Call("POST", "/control/reset"))

    async def counters(self, **filters: str | int) -> dict[str, Any]:
        """Return the counters of the calls that match run_id, step, persona and attempt, where given."""
        return dict(await self._send(_counters(filters)))

    async def wait(
        self, least: Mapping[str, int], *, timeout_seconds: float = 10.0, **filters: str | int
    ) -> dict[str, Any]:
        """Wait until counts such as `{"held": 1}` are reached, and return the counters.

        Raises:
            ControlError: they were not reached in time.
        """
        return dict(await self._send(_wait(least, filters, timeout_seconds)))

    async def record(self, most: int) -> None:
        """Keep the latest requests, at most this many; 0 turns it off."""
        await self._send(_Call("POST", "/control/recording", {"most": most}))

    async def requests(self) -> list[dict[str, Any]]:
        """Return the recorded requests, oldest first: the four keys, `headers` (no credential) and `body`."""
        return list((await self._send(_Call("GET", "/control/requests")))["requests"])

    async def _send(self, call: _Call) -> Any:
        if self._session is None:
            raise RuntimeError("use ControlClient as a context manager")
        timeout = aiohttp.ClientTimeout(total=call.timeout_seconds)
        body = None if call.body is None else json.dumps(call.body)
        url = self._url + call.path
        async with self._session.request(call.method, url, data=body, timeout=timeout) as response:
            return _result(call, response.status, await response.read())


class SyncControlClient:
    """The same without asyncio; each method is described at ControlClient."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")

    def script(self, *rules: Rule) -> None:
        """Append rules to the fault script."""
        self._send(_script(rules))

    def release(self, name: str) -> None:
        """Let the answers held under this name go."""
        self._send(_Call("POST", "/control/release", {"name": name}))

    def reset(self) -> None:
        """Forget script, counters and recorded requests, and let go what is held."""
        self._send(_Call("POST", "/control/reset"))

    def counters(self, **filters: str | int) -> dict[str, Any]:
        """Return the counters of the calls that match."""
        return dict(self._send(_counters(filters)))

    def wait(
        self, least: Mapping[str, int], *, timeout_seconds: float = 10.0, **filters: str | int
    ) -> dict[str, Any]:
        """Wait until counts are reached, and return the counters."""
        return dict(self._send(_wait(least, filters, timeout_seconds)))

    def record(self, most: int) -> None:
        """Keep the latest requests, at most this many."""
        self._send(_Call("POST", "/control/recording", {"most": most}))

    def requests(self) -> list[dict[str, Any]]:
        """Return the recorded requests."""
        return list(self._send(_Call("GET", "/control/requests"))["requests"])

    def _send(self, call: _Call) -> Any:
        body = None if call.body is None else json.dumps(call.body).encode()
        request = urllib.request.Request(self._url + call.path, data=body, method=call.method)  # noqa: S310 http
        try:
            with urllib.request.urlopen(request, timeout=call.timeout_seconds) as response:  # noqa: S310 http
                return _result(call, response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _result(call, error.code, error.read())
