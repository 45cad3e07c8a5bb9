"""Whether a route is worth asking: open once calls kept failing, then tried by one call at a time. Pure."""

from typing import Final

FAILURES: Final = 5
WINDOW_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 10.0
LAST_PAUSE_SECONDS: Final = 120.0


class Circuit:
    """Opens after FAILURES outages or time-outs in a row within WINDOW_SECONDS.

    After a pause it is half-open: one call is let through, and closes it or opens it for twice as long.
    """

    __slots__ = ("_failures", "_first_failure", "_is_on_trial", "_pause", "_retry_at")

    def __init__(self) -> None:
        self._failures = 0
        self._first_failure = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._is_on_trial = False
        self._retry_at: float | None = None

    @property
    def is_tripped(self) -> bool:
        """Whether it is open, or half-open."""
        return self._retry_at is not None

    def is_open(self, now: float) -> bool:
        """Whether a call should not be made now. Whoever is told False after the pause is the trial."""
        if self._retry_at is None:
            return False
        if now < self._retry_at:
            return True
        self._retry_at, self._is_on_trial = now + self._pause, True  # the others wait for the trial
        return False

    def note_answer(self) -> None:
        """The route answered, be it with a refusal."""
        self._failures = 0
        if self._retry_at is not None:
            self._pause = FIRST_PAUSE_SECONDS
            self._retry_at, self._is_on_trial = None, False

    def note_failure(self, now: float) -> None:
        """A call ended in an outage or a time-out."""
        if self._retry_at is not None:
            if self._is_on_trial:
                self._pause = min(2 * self._pause, LAST_PAUSE_SECONDS)
                self._retry_at, self._is_on_trial = now + self._pause, False
            return
        if not self._failures or now - self._first_failure > WINDOW_SECONDS:
            self._failures, self._first_failure = 0, now
        self._failures += 1
        if self._failures >= FAILURES:
            self._retry_at = now + self._pause
