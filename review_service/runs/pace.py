"""How many runs a process takes on at once: fewer while what it records is acknowledged late.

Runs wait as well in the queue as in a process. There each makes the others slower, until renewals of leases
are late as well, streams are cut, and the time goes into work that others have taken over: the more is begun,
the less is finished (Bronson et al., "Metastable Failures in Distributed Systems", HotOS 2021). The limit
follows the rule of networks: down by a share, up by small steps (Chiu and Jain, "Analysis of the Increase and
Decrease Algorithms for Congestion Avoidance", 1989).
"""

import time

from consensus_rpc.backoff import Clock
from consensus_rpc.telemetry.log import get_logger

log = get_logger()

LATE_SECONDS = 1.0
"""A commit takes tens of milliseconds; the shortest sensible lease is renewed every few seconds."""

_LATE_SHARE = 0.1
_LEAST_LATE = 5
_PERIOD_SECONDS = 1.0
_DOWN = 0.75
_RISING_SECONDS = 50.0
_LEAST_SHARE = 8


class Pace:
    """The limit of runs taken from the queue that are in flight; `most` of them at best.

    It goes down to three quarters of those where one acknowledgement in ten is late, and five of them, once
    there are no more than it allows; never below an eighth of `most`. Else it goes up, in fifty seconds from
    nothing to `most`. What callers' own runs take is not counted: an eighth is always taken on.
    """

    def __init__(self, most: int, *, clock: Clock = time.monotonic) -> None:
        self._most = most
        self._least = max(1, most // _LEAST_SHARE)
        self._limit = float(most)
        self._clock = clock
        self._looked_at = clock()
        self._count = self._late_count = 0

    @property
    def limit(self) -> int:
        """Runs that may be in flight now for another one to be taken on."""
        return int(self._limit)

    def acknowledged(self, seconds: float) -> None:
        """Something that was recorded was acknowledged, or cut off, so long after it was sent."""
        self._count += 1
        self._late_count += seconds > LATE_SECONDS

    def room(self, in_flight: int) -> int:
        """How many more may be taken on beside those in flight; 0 or less: none."""
        passed = self._clock() - self._looked_at
        if passed >= _PERIOD_SECONDS:
            self._looked_at += passed
            self._follow(in_flight, passed, is_late=self._are_late())
            self._count = self._late_count = 0
        return self.limit - in_flight

    def _are_late(self) -> bool:
        return self._late_count >= max(_LEAST_LATE, self._count * _LATE_SHARE)

    def _follow(self, in_flight: int, passed: float, *, is_late: bool) -> None:
        before = self.limit
        if not is_late:
            self._limit = min(self._most, self._limit + self._most * passed / _RISING_SECONDS)
        elif self._least < in_flight <= self.limit:
            self._limit = min(self._limit, max(self._least, in_flight * _DOWN))
        if before == self._most > self.limit:
            log.warning("runs_taken_on_slowly", limit=self.limit)
        elif before < self._most == self.limit:
            log.info("runs_taken_on_as_ever", limit=self.limit)
