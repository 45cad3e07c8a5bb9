"""Time that is left: what a call may still begin with, and what it may hand on to the next hop."""

from typing import Protocol

from consensus_rpc.errors import CallDeadlineExceeded

LEAST_SECONDS_TO_BEGIN = 0.100
HOP_MARGIN_SECONDS = 0.020


class HasTimeRemaining(Protocol):
    """A servicer's context, or anything else with a deadline."""

    def time_remaining(self) -> float | None:
        """Seconds left; None without a deadline."""


TimeLeft = HasTimeRemaining | float | None


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
