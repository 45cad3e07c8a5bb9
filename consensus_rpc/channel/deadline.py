"""Time that is left: what a call may still begin with, and what it may hand on to the next hop."""

from contextvars import ContextVar
from time import monotonic
from typing import Protocol

from consensus_rpc.errors import CallDeadlineExceeded

LEAST_SECONDS_TO_BEGIN = 0.100
HOP_MARGIN_SECONDS = 0.020


class HasTimeRemaining(Protocol):
    """A servicer's context, or anything else with a deadline."""

    def time_remaining(self) -> float | None:
        """Seconds left; None without a deadline."""


TimeLeft = HasTimeRemaining | float | None

_ends_at: ContextVar[float | None] = ContextVar("call_ends_at", default=None)


def bind_deadline(left: TimeLeft) -> None:
    """Notes for this task, and those that it starts, until when its caller waits."""
    seconds = seconds_left(left)
    _ends_at.set(None if seconds is None else monotonic() + seconds)


def callers_seconds_left() -> float | None:
    """Seconds that the caller of this task's call still waits; None without a deadline."""
    ends_at = _ends_at.get()
    return None if ends_at is None else ends_at - monotonic()


def seconds_left(left: TimeLeft) -> float | None:
    """Seconds that are left; None without a deadline."""
    if left is None or isinstance(left, int | float):
        return left
    return left.time_remaining()


def require_time_left(left: TimeLeft) -> None:
    """Refuses to begin what cannot be finished in time.

    Raises:
        CallDeadlineExceeded: with less than 100 ms left.
    """
    seconds = seconds_left(left)
    if seconds is not None and seconds < LEAST_SECONDS_TO_BEGIN:
        raise CallDeadlineExceeded


def hop_timeout(left: TimeLeft, *, ceiling_seconds: float | None = None) -> float | None:
    """The timeout of a call to the next hop: what remains less 20 ms, at most the ceiling; None for none.

    Raises:
        CallDeadlineExceeded: with less than 100 ms left.
    """
    require_time_left(left)
    seconds = seconds_left(left)
    if seconds is None:
        return ceiling_seconds
    handed_on = seconds - HOP_MARGIN_SECONDS
    return handed_on if ceiling_seconds is None else min(handed_on, ceiling_seconds)
