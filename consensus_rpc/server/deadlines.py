"""Waits of one length, for every message of every call: two entries in a dict each, and no timer."""

import asyncio
from collections.abc import Awaitable
from contextvars import Context
from typing import TypeVar

T = TypeVar("T")

_SWEEP_SECONDS = 1.0


class Deadlines:
    """Gives up what takes longer than `seconds`, a quarter of it or a second later at most."""

    __slots__ = ("_is_sweeping", "_late", "_waiting", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: dict[asyncio.Task[object], float] = {}  # by when they end, the earliest first
        self._late: set[asyncio.Task[object]] = set()
        self._is_sweeping = False

    async def within(self, waiting: Awaitable[T]) -> T:
        """What is waited for; one task waits for one thing.

        Raises:
            TimeoutError: when it took longer.
        """
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._waiting[task] = loop.time() + self.seconds
        if not self._is_sweeping:
            self._sweep_later(loop)
        try:
            return await waiting
        except asyncio.CancelledError:
            if task in self._late and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._waiting.pop(task, None)
            self._late.discard(task)

    def give_up(self, task: asyncio.Task[object]) -> None:
        """Gives up what a task waits for before its time."""
        if self._waiting.pop(task, None) is not None:
            self._late.add(task)
            task.cancel()

    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_sweeping = True
        every = min(_SWEEP_SECONDS, self.seconds / 4)
        loop.call_later(every, self._sweep, loop, context=Context())  # not that of the call which began it

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, ends in list(self._waiting.items()):
            if ends > now:
                break
            self.give_up(task)
        self._is_sweeping = False
        if self._waiting:
            self._sweep_later(loop)
