"""How far a server's write-ahead log goes, and whether a standby has got what the primary had."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import Connection, text

_STANDING = text(
    "SELECT system_identifier AS system, "
    "(SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database, "
    "is_standby, "
    # What it receives is known to who may see it, and while it does; the last checkpoint knows it later.
    "CASE WHEN is_standby THEN coalesce("
    "(SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint())) "
    "ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int END AS timeline, "
    "(CASE WHEN is_standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END "
    "- '0/0')::bigint AS position "
    "FROM pg_is_in_recovery() AS is_standby, pg_control_system()"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose log a server has, and its end: what a primary has on disk, what a standby has replayed."""

    system: int
    """Of a primary and its standbys the same, and of no other server."""
    database: int
    is_standby: bool
    timeline: int
    """Which a promotion begins anew; positions of two timelines do not compare."""
    position: int | None
    """In bytes; None on a standby that has replayed nothing."""

    @property
    def log(self) -> tuple[int, int]:
        """Which log it is that the position is in."""
        return (self.system, self.timeline)


def standing_of(connection: Connection) -> Standing:
    """Where the server stands to which the connection leads."""
    return Standing(*connection.execute(_STANDING).one())


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the primary stood at an instant of the monotonic clock, or later than that."""

    instant: float
    standing: Standing

    def fault(self, standby: Standing) -> str:
        """Why the standby is not known to have all that was acknowledged before the instant; or nothing."""
        if not standby.is_standby:
            return "it is no standby"
        if (standby.system, standby.database) != (self.standing.system, self.standing.database):
            return "it is a standby of another database"
        if standby.timeline != self.standing.timeline:
            return "it does not follow the timeline of the primary"
        if standby.position is None or standby.position < (self.standing.position or 0):
            return "it is behind"
        return ""


class Marks:
    """Where the primary stood within the last `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._marks: deque[Mark] = deque()

    def add(self, mark: Mark) -> None:
        """A newer one; what is known of another timeline is forgotten."""
        with self._lock:
            if self._marks and self._marks[-1].standing.log != mark.standing.log:
                self._marks.clear()
            self._marks.append(mark)

    def oldest(self) -> Mark | None:
        """What a standby must have got, to be no older than the span; None when nothing is known of it."""
        with self._lock:
            self._forget()
            return self._marks[0] if self._marks else None

    def reached(self, standby: Standing) -> float | None:
        """The newest instant of which the standby has all; None when that lies before the span."""
        with self._lock:
            self._forget()
            return next((mark.instant for mark in reversed(self._marks) if not mark.fault(standby)), None)

    def _forget(self) -> None:
        oldest = self._clock() - self._seconds
        while self._marks and self._marks[0].instant < oldest:
            self._marks.popleft()
