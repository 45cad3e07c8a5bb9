"""What was found out, for a while and in a bounded number."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Forgets after `seconds`, and what was asked for longest ago when there is too much."""

    def __init__(self, *, most: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """What is known and not too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= self._clock():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: K, value: V, *, seconds: float | None = None) -> None:
        """Keeps it; for so long, where it is less."""
        kept = self._seconds if seconds is None else min(seconds, self._seconds)
        self._kept[key] = (self._clock() + kept, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, key: K) -> None:
        """Asks anew the next time."""
        self._kept.pop(key, None)

    def __len__(self) -> int:
        """How much is kept, too old or not."""
        return len(self._kept)
