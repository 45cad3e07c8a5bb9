"""Waking the one task that waits."""

import asyncio


class Wakeup:
    """An `asyncio.Event` for a single waiter, which takes each `set` with it.

    There are several in each run, and the event's queue of waiters would take 800 bytes in each.
    """

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Ends the wait, or the next one."""
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Returns once it was set since the last return."""
        if not self._is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._is_set = False
