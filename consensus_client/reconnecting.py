"""What a client does when a call or a stream is cut: pure."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from consensus_contract.errors import ConsensusError, RunFailed
from consensus_rpc.backoff import Backoff, Chance, Clock, Patience
from consensus_rpc.errors import ServerUnreachable, UnclassifiedError


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How long and how often a client tries again; all times in seconds.

    A call, or a stream that brought nothing yet, is tried for `start_seconds` after its first cut, one that
    is under way for `follow_seconds`. The waits grow from `initial_seconds` by `multiplier` up to
    `ceiling_seconds`, each made longer by at most a quarter at random; a longer wait that the server asks
    for wins.
    """

    initial_seconds: float = 0.1
    multiplier: float = 2.0
    ceiling_seconds: float = 5.0
    start_seconds: float = 3.0
    follow_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuses what would spin.

        Raises:
            ValueError: when the first wait is not above 0 or the waits shrink.
        """
        if self.initial_seconds <= 0 or self.multiplier < 1:
            raise ValueError("initial_seconds must be above 0, multiplier at least 1")

    def backoff(self) -> Backoff:
        """The waits after cuts in a row."""
        return Backoff(
            first_seconds=self.initial_seconds, factor=self.multiplier, ceiling_seconds=self.ceiling_seconds
        )


class Reconnection:
    """The cuts in a row of one call or stream: how long to wait after each, or that it is enough."""

    __slots__ = ("_clock", "_last_cut", "_patience", "_policy")

    def __init__(
        self, policy: ReconnectPolicy, *, clock: Clock = time.monotonic, chance: Chance = random.random
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._patience = Patience(policy.backoff(), policy.start_seconds, clock=clock, chance=chance)
        self._last_cut = 0.0

    def progressed(self) -> None:
        """Something new came: the count starts again, with the longer limit."""
        self._patience.succeeded()
        self._patience.limit_seconds = self._policy.follow_seconds

    def still_alive(self) -> None:
        """A message came: that counts on a stream that has lasted, not on one that is cut each time."""
        if self._clock() - self._last_cut >= self._policy.ceiling_seconds:
            self._patience.succeeded()

    def wait_seconds(self, error: ConsensusError) -> float:
        """How long to wait before the next try.

        Raises:
            ConsensusError: the same error, when trying again cannot help or would take too long.
        """
        if not is_cut(error):
            raise error
        self._last_cut = self._clock()
        wait = self._patience.wait_seconds(_asked_seconds(error))
        if wait is None:
            raise error
        return wait


def _asked_seconds(error: ConsensusError) -> float:
    """What the server asks for; one that had no word of its own asks for nothing."""
    return error.retry_after_seconds or 0.0 if error.reason_name else 0.0


def is_cut(error: ConsensusError) -> bool:
    """Whether the error ended a call, not the run: the same call or the rest of its stream may come.

    A run's end is told by its class or by `run_state`, never by the code: a run may fail with UNAVAILABLE.
    """
    if isinstance(error, RunFailed) or error.run_state is not None:
        return False
    return error.retryable


def cut(message: str) -> ServerUnreachable:
    """A stream that broke off without a status of its own; retryable."""
    return ServerUnreachable(message)


def say_where(error: ConsensusError, server: str, followed: Mapping[str, str]) -> None:
    """Names in the error what was followed, and a server that had no word of its own, if it does not yet."""
    for key, value in followed.items():
        error.metadata.setdefault(key, value)
    if isinstance(error, UnclassifiedError):
        error.metadata.setdefault("server", server)
