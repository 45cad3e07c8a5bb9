"""How much begins at once: so many in each turn of the event loop, the rest in the turns after it."""

import asyncio
from collections import deque


class StartLimiter:
    """Keeps the turns of one event loop short when thousands want to begin something in the same one.

    All that is ready runs before the loop looks at its sockets again: 10,000 calls begun in one turn would
    leave streams unread for seconds, so that renewed leases look unanswered and health checks are late.
    """

    __slots__ = ("_begun", "_is_turning", "_most", "_waiting")

    def __init__(self, most_per_turn: int) -> None:
        self._most = most_per_turn
        self._begun = 0
        self._is_turning = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Returns at once while there is room in this turn of the loop, else in a later one, in order."""
        loop = asyncio.get_running_loop()
        if not self._is_turning:
            self._is_turning = True
            loop.call_soon(self._next_turn)
        if self._begun < self._most and not self._waiting:
            self._begun += 1
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _next_turn(self) -> None:
        self._begun = 0
        while self._waiting and self._begun < self._most:
            first = self._waiting.popleft()
            if not first.done():  # else whoever waited was cancelled
                first.set_result(None)
                self._begun += 1
        self._is_turning = bool(self._begun or self._waiting)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._next_turn)
