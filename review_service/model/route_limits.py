"""How many calls a route takes at once and in a minute, shared fairly: runs wait in turn, not calls."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# A limit by the minute may be used up in bursts of this share of it: providers count over shorter spans too.
_BURST_SHARE = 1 / 6
_SECONDS = 60.0


class _Allowance:
    """So much in a minute. A call that needs more than a burst holds passes when the burst is full."""

    __slots__ = ("_left", "_most", "_per_second", "_seen")

    def __init__(self, per_minute: int, now: float) -> None:
        self._per_second = per_minute / _SECONDS
        self._most = max(1.0, per_minute * _BURST_SHARE)
        self._left = self._most
        self._seen = now

    def seconds_until(self, amount: float, now: float) -> float:
        """How long until so much is there, given that nobody else takes of it."""
        self._left = min(self._most, self._left + (now - self._seen) * self._per_second)
        self._seen = now
        lacking = min(amount, self._most) - self._left
        return 0.0 if lacking <= 1e-9 else lacking / self._per_second

    def take(self, amount: float) -> None:
        """Takes it, into debt where a burst is less; a negative amount is given back."""
        self._left = min(self._most, self._left - amount)


@dataclass(slots=True)
class _Waiting:
    """A call that waits for its turn."""

    tokens: int
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RouteLimits:
    """The limits of one route in one process. None: there is no such limit.

    Runs with calls waiting take turns, so that one with twenty personas does not hold the others up.
    """

    __slots__ = ("_clock", "_in_flight", "_most", "_requests", "_runs", "_timer", "_tokens")

    def __init__(
        self,
        max_concurrency: int | None,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        clock: Callable[[], float],
    ) -> None:
        now = clock()
        self._clock = clock
        self._most = max_concurrency
        self._requests = _Allowance(requests_per_minute, now) if requests_per_minute else None
        self._tokens = _Allowance(tokens_per_minute, now) if tokens_per_minute else None
        self._in_flight = 0
        self._runs: dict[str, deque[_Waiting]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, run_id: str, tokens: int, seconds: float) -> bool:
        """Waits for a call's turn, at most so long; True: it may go, and `leave` must follow."""
        if not self._runs and self._seconds_until_room(tokens) == 0:
            self._go(tokens)
            return True
        mine = _Waiting(tokens)
        self._runs.setdefault(run_id, deque()).append(mine)
        self._let_in()
        try:
            async with asyncio.timeout(seconds):
                await mine.turn
        except TimeoutError:
            if not _was_let_in(mine):
                self._forget(run_id, mine)
                return False
        except asyncio.CancelledError:
            if _was_let_in(mine):
                self.leave(tokens, 0)
            else:
                self._forget(run_id, mine)
            raise
        return True

    def leave(self, reserved: int, used: int | None) -> None:
        """A call that was let in is over; `used` tokens, None where nobody said, are what it really took."""
        self._in_flight -= 1
        if self._tokens is not None and used is not None:
            self._tokens.take(used - reserved)
        self._let_in()

    def _forget(self, run_id: str, mine: _Waiting) -> None:
        waiting = self._runs.get(run_id)
        if waiting is not None and mine in waiting:
            waiting.remove(mine)
            if not waiting:
                del self._runs[run_id]
        self._let_in()

    def _let_in(self) -> None:
        """Lets in who has room, a call of each run in turn."""
        while self._runs:
            run_id = next(iter(self._runs))
            waiting = self._runs[run_id]
            pause = self._seconds_until_room(waiting[0].tokens)
            if pause:
                self._look_again(pause)
                return
            del self._runs[run_id]
            first = waiting.popleft()
            if waiting:
                self._runs[run_id] = waiting  # behind the others
            if not first.turn.done():
                self._go(first.tokens)
                first.turn.set_result(None)

    def _go(self, tokens: int) -> None:
        self._in_flight += 1
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(tokens)

    def _seconds_until_room(self, tokens: int) -> float:
        """0 when a call may go; infinite while only the end of another makes room."""
        if self._most is not None and self._in_flight >= self._most:
            return float("inf")
        now = self._clock()
        requests = self._requests.seconds_until(1, now) if self._requests is not None else 0.0
        return max(requests, self._tokens.seconds_until(tokens, now) if self._tokens is not None else 0.0)

    def _look_again(self, pause: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if pause != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(pause, self._let_in)


def _was_let_in(waiting: _Waiting) -> bool:
    return waiting.turn.done() and not waiting.turn.cancelled()
