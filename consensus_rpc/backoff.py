"""Waiting before something is tried again: one arithmetic, one patience; clock and chance are handed in."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
"""Seconds that only rise."""
Chance = Callable[[], float]
"""A number from 0 up to, and without, 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that grow by a factor up to a ceiling, each made longer by chance by at most the share `jitter`.

    Without jitter, those whom one failure has hit would come back together (Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015).
    """

    first_seconds: float
    factor: float = 2.0
    ceiling_seconds: float = math.inf
    jitter: float = 0.25

    def __post_init__(self) -> None:
        """Refuses what would spin.

        Raises:
            ValueError: when the first wait is not above 0, or the waits shrink.
        """
        if self.first_seconds <= 0 or self.factor < 1:
            raise ValueError("first_seconds must be above 0, factor at least 1")

    def seconds(self, failure_count: int, chance: float) -> float:
        """The wait after the `failure_count`th failure in a row, from 1; `chance` in [0, 1)."""
        # A power beyond this would overflow; every ceiling lies far below it.
        grown = self.first_seconds * self.factor ** min(failure_count - 1, 60)
        return min(grown, self.ceiling_seconds) * (1 + self.jitter * chance)


class Patience:
    """Counts failures in a row and says how long to wait, or that it is enough."""

    __slots__ = ("_backoff", "_chance", "_clock", "_failure_count", "_first_failure", "limit_seconds")

    def __init__(
        self,
        backoff: Backoff,
        limit_seconds: float,
        *,
        clock: Clock = time.monotonic,
        chance: Chance = random.random,
    ) -> None:
        """`limit_seconds`: from the first failure in a row to the last time that is tried."""
        self._backoff = backoff
        self._clock = clock
        self._chance = chance
        self._failure_count = 0
        self._first_failure = 0.0
        self.limit_seconds = limit_seconds

    def succeeded(self) -> None:
        """Starts the count again."""
        self._failure_count = 0

    def wait_seconds(self, asked_seconds: float = 0.0) -> float | None:
        """How long to wait after one more failure, at least `asked_seconds`; None: that would be too late."""
        now = self._clock()
        if self._failure_count == 0:
            self._first_failure = now
        self._failure_count += 1
        wait = max(self._backoff.seconds(self._failure_count, self._chance()), asked_seconds)
        return wait if now + wait <= self._first_failure + self.limit_seconds else None
