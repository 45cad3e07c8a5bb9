"""Whether a unit of work can finish before its caller leaves: what cannot is refused, and takes no time."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from consensus_rpc.channel.deadline import callers_seconds_left
from consensus_rpc.errors import Overloaded
from persistence_service.database.threads import Threads

SUBJECT = "units of work in the database"
_WEIGHT_OF_NEWEST = 0.3
_MOST_RETRY_SECONDS = 10.0
_ID = re.compile(r"/.*")


def kind_of(resource: str, *, read_only: bool) -> str:
    """What units are alike: `runs/7` is as `runs/8`, and not as `runs`, which is many."""
    return f"{'read' if read_only else 'write'} {_ID.sub('/', resource)}"


class Turns:
    """Knows how long units take, by kind, and how many are waiting for a thread."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}

    def take(self, kind: str, *, is_due: bool = False) -> "Turn":
        """A place among those who wait; what `is_due` is never refused.

        Raises:
            Overloaded: it would be over too late for the caller.
        """
        turn = Turn(self, kind, None if is_due else callers_seconds_left(), monotonic())
        wait = self._threads.ahead * self.expected(kind) / self._threads.limit
        if self._threads.ahead and not turn.has_time_for(wait + self.expected(kind)):
            raise self.refusal(wait)
        return turn

    def expected(self, kind: str) -> float:
        """Seconds that the next unit of the kind is going to take; 0 of one that is not known."""
        return self._seconds.get(kind, 0.0)

    def took(self, kind: str, seconds: float) -> None:
        """Takes note of a unit that is over."""
        with self._lock:
            before = self._seconds.get(kind, seconds)
            self._seconds[kind] = before + _WEIGHT_OF_NEWEST * (seconds - before)

    def refusal(self, wait: float) -> Overloaded:
        """What is answered to who has too little time; `wait` in seconds."""
        again = min(max(wait, Overloaded.default_retry_after_seconds), _MOST_RETRY_SECONDS)
        return Overloaded(subject=SUBJECT, limit=self._threads.limit, retry_after_seconds=again)

    @property
    def is_anybody_waiting(self) -> bool:
        """Whether a thread that begins nothing has something else to do."""
        return self._threads.waiting > 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One unit's place."""

    turns: Turns
    kind: str
    seconds_left: float | None
    taken_at: float

    def has_time_for(self, seconds: float) -> bool:
        """Whether the caller waits for so long."""
        return self.seconds_left is None or monotonic() + seconds <= self.taken_at + self.seconds_left

    @contextmanager
    def begun(self) -> Iterator[None]:
        """The unit runs inside, in its thread.

        One that has too little time left is begun all the same where nobody waits: else, once all units had
        been slow, none would ever show that they are quick again.

        Raises:
            Overloaded: it has too little.
        """
        expected = self.turns.expected(self.kind)
        if self.turns.is_anybody_waiting and not self.has_time_for(expected):
            raise self.turns.refusal(expected)
        started = monotonic()
        try:
            yield
        finally:
            self.turns.took(self.kind, monotonic() - started)
