"""Blocking work beside the event loop: a bounded pool of threads, whose callers may be let go early."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class Threads:
    """Runs blocking functions; `waiting` counts those that no thread has begun."""

    def __init__(self, limit: int) -> None:
        """At most `limit` functions run at once; the others queue."""
        self.limit = limit
        self._running = 0
        self._executor = ThreadPoolExecutor(limit, thread_name_prefix="database")
        self._lock = threading.Lock()
        self._waiters: set[asyncio.Future[Any]] = set()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Functions that wait for a thread."""
        return self._waiting

    @property
    def ahead(self) -> int:
        """Functions that must end before one that is handed in now begins."""
        return max(0, self._waiting + self._running + 1 - self.limit)

    async def run(self, function: Callable[[], Result]) -> Result:
        """What the function answers; the context (request id) goes with it.

        A cancelled or abandoned caller takes back a function that has not begun; one that has goes on.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Result] = loop.create_future()
        self._count(1)
        work = self._executor.submit(contextvars.copy_context().run, self._begin, function)
        work.add_done_callback(lambda done: self._finished(done, waiter, loop))
        with self._lock:
            self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            with self._lock:
                self._waiters.discard(waiter)
            work.cancel()

    def abandon(self, error: Callable[[], Exception]) -> None:
        """Ends every caller's wait with an error; may be called from any thread."""
        with self._lock:
            waiters = list(self._waiters)
        for waiter in waiters:
            _call_soon(waiter.get_loop(), _fail, waiter, error)

    def close(self) -> None:
        """Waits for what has begun, and takes back the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _begin(self, function: Callable[[], Result]) -> Result:
        self._count(-1, running=1)
        try:
            return function()
        finally:
            self._count(0, running=-1)

    def _finished(
        self, work: "Future[Result]", waiter: "asyncio.Future[Result]", loop: asyncio.AbstractEventLoop
    ) -> None:
        if work.cancelled():
            self._count(-1)
        _call_soon(loop, _settle, waiter, work)

    def _count(self, waiting: int, running: int = 0) -> None:
        with self._lock:
            self._waiting += waiting
            self._running += running


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    if not loop.is_closed():  # else nobody waits any more
        loop.call_soon_threadsafe(function, *arguments)


def _settle(waiter: "asyncio.Future[Any]", work: "Future[Any]") -> None:
    if waiter.done():
        return
    if work.cancelled():
        waiter.cancel()
    elif (error := work.exception()) is not None:
        waiter.set_exception(error)
    else:
        waiter.set_result(work.result())


def _fail(waiter: "asyncio.Future[Any]", error: Callable[[], Exception]) -> None:
    if not waiter.done():
        waiter.set_exception(error())
