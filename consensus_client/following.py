"""Where a reader of a run stands, and what it does when its stream is cut: pure, for both faces."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from consensus.v1 import event_pb2, review_service_pb2
from consensus_contract.errors import ConsensusError, RunFailed
from consensus_rpc.errors import ServerUnreachable, SlowConsumer, UnclassifiedError

StreamMessage: TypeAlias = review_service_pb2.StreamReviewResponse | review_service_pb2.WatchRunResponse
STREAM_MESSAGES = (review_service_pb2.StreamReviewResponse, review_service_pb2.WatchRunResponse)

_ENDS = frozenset({"run_completed", "run_failed", "run_cancelled"})
_BESIDE_THE_WAY = frozenset({"run_deleted", "run_undeleted", "decision_annotated"})


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How long and how often a client tries again; all times in seconds.

    A call, or a stream that brought nothing yet, is tried for `start_seconds` after its first cut, one that
    is under way for `follow_seconds`. The waits grow from `initial_seconds` by `multiplier` up to
    `ceiling_seconds`, each shortened by at most a quarter at random; a longer wait that the server
    asks for wins.
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

    def delay_seconds(self, cut_count: int, randomness: float, asked_seconds: float | None) -> float:
        """The wait after the `cut_count`th cut in a row (from 1), with `randomness` in [0, 1)."""
        grown = min(self.initial_seconds * self.multiplier ** min(cut_count - 1, 30), self.ceiling_seconds)
        return max(grown * (1 - randomness / 4), asked_seconds or 0.0)


@dataclass(slots=True)
class Patience:
    """Counts cuts in a row and says how long to wait, or that it is enough."""

    policy: ReconnectPolicy
    clock: Callable[[], float]
    random: Callable[[], float]
    _cut_count: int = 0
    _first_cut: float = 0.0
    _last_cut: float = 0.0
    _is_under_way: bool = False

    def progressed(self) -> None:
        """Something new came: the count starts again, with the larger budget."""
        self._cut_count = 0
        self._is_under_way = True

    def still_alive(self) -> None:
        """A heartbeat came: that counts on a stream that has lasted, not on one that is cut each time."""
        if self.clock() - self._last_cut >= self.policy.ceiling_seconds:
            self._cut_count = 0

    def wait_seconds(self, error: ConsensusError) -> float:
        """How long to wait before the next try.

        Raises:
            ConsensusError: the same error, when trying again cannot help or would take too long.
        """
        if not is_cut(error):
            raise error
        self._last_cut = self.clock()
        if self._cut_count == 0:
            self._first_cut = self._last_cut
        self._cut_count += 1
        delay = self.policy.delay_seconds(self._cut_count, self.random(), _asked_seconds(error))
        budget = self.policy.follow_seconds if self._is_under_way else self.policy.start_seconds
        if self._last_cut + delay > self._first_cut + budget:
            raise error
        return delay


def _asked_seconds(error: ConsensusError) -> float | None:
    """What the server asks for; an unreachable one asks for nothing."""
    return None if isinstance(error, ServerUnreachable) else error.retry_after_seconds


def is_cut(error: ConsensusError) -> bool:
    """Whether the error ended a call, not the run: the same call or the rest of its stream may come."""
    if isinstance(error, RunFailed):
        return False
    return error.retryable or isinstance(error, SlowConsumer)


@dataclass(slots=True)
class Cursor:
    """What a reader has of a run: takes each event once and in order, whatever the streams repeat.

    `run_id` is None until the first event. `after_sequence` is the last event that the reader has.
    """

    run_id: str | None = None
    after_sequence: int = 0
    _last_kind: str | None = None

    def take(self, message: StreamMessage) -> event_pb2.RunEvent | None:
        """The message's event if it is the next one; None for heartbeats and for what was taken before.

        Raises:
            ServerUnreachable: when an event is missing before this one, so that the reader asks again.
        """
        if message.WhichOneof("message") != "event":
            return None
        event = message.event
        if event.sequence <= self.after_sequence:
            return None
        if event.sequence != self.after_sequence + 1:
            raise cut(f"event {self.after_sequence + 1} is missing before event {event.sequence}")
        self.run_id = event.run_id
        self.after_sequence = event.sequence
        kind = event.WhichOneof("payload")
        if kind not in _BESIDE_THE_WAY:
            self._last_kind = kind or "unknown"
        return event

    def check_end(self) -> None:
        """Accepts that a stream ended without an error.

        Raises:
            ServerUnreachable: when the run goes on as far as the reader knows, so that it asks again.
        """
        if self._last_kind is not None and self._last_kind not in _ENDS:
            raise cut("the stream ended before the run")
        if self.run_id is None:
            raise cut("the stream ended before its first event")

    def watch_request(self) -> review_service_pb2.WatchRunRequest | None:
        """The request for the rest; None before the first event, when only the start can be sent again."""
        if self.run_id is None:
            return None
        return review_service_pb2.WatchRunRequest(run_id=self.run_id, after_sequence=self.after_sequence)


def cut(message: str) -> ServerUnreachable:
    """A stream that broke off without a status of its own; retryable."""
    return ServerUnreachable(message)


def with_run(error: ConsensusError, run_id: str | None) -> ConsensusError:
    """The same error, naming the run if it did not yet."""
    if run_id is not None:
        error.metadata.setdefault("run_id", run_id)
    return error


def with_server(error: ConsensusError, server: str) -> ConsensusError:
    """The same error, naming the server that could not be reached if that is what happened."""
    if isinstance(error, UnclassifiedError):
        error.metadata.setdefault("server", server)
    return error
