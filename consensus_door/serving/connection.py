"""One connection of HTTP/1.1: uvicorn's, with an end for what never comes and what is never read."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from consensus_door.metrics import DoorMetrics


class Connection(H11Protocol):
    """Ends where no headers come in time, however they trickle, and where nobody reads what is sent.

    uvicorn ends what is idle between requests alone: a byte now and then keeps a connection for ever.
    """

    request_seconds = 10.0
    slow_seconds = 30.0
    max_connections = 1024
    metrics: DoorMetrics

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._headers_due = _Timer(self.loop, partial(self._cut, "header_time"))
        self._reader_due = _Timer(self.loop, partial(self._cut, "unread"))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.metrics.connected(1)
        if len(self.connections) > self.max_connections:
            self._cut("connections")
        else:
            self._headers_due.start(self.request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_due.stop()
        self._reader_due.stop()
        self.metrics.connected(-1)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self._is_answering():
            self._headers_due.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not (self._is_answering() or self.transport.is_closing()):
            self._headers_due.start(max(self.request_seconds, self.timeout_keep_alive))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_due.start(self.slow_seconds)

    def resume_writing(self) -> None:
        self._reader_due.stop()
        super().resume_writing()

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        self.metrics.refused("no_http")
        super().send_400_response(msg)

    def _cut(self, reason: str) -> None:
        self.metrics.refused(reason)
        self.transport.abort()


class _Timer:
    """Calls back once its time has passed, unless stopped before."""

    __slots__ = ("_handle", "_loop", "_then")

    def __init__(self, loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
        self._loop = loop
        self._then = then
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, self._then)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def bounded(
    metrics: DoorMetrics, *, request_seconds: float, slow_seconds: float, max_connections: int
) -> type[Connection]:
    """The class of connections with these bounds, counted there, as uvicorn takes one."""
    own: dict[str, Any] = {
        "request_seconds": request_seconds,
        "slow_seconds": slow_seconds,
        "max_connections": max_connections,
        "metrics": metrics,
    }
    return type("BoundedConnection", (Connection,), own)
