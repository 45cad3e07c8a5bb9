"""What is counted of the runs that this process works on, and of their steps and attempts."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

from consensus.v1 import attempt_pb2
from consensus_contract.errors import reason_name
from consensus_contract.steps import EXPAND
from consensus_rpc.telemetry.labels import BoundedLabel
from review_service.model.routes import DEFAULT_ROUTE

RUNS_IN_FLIGHT = Gauge("consensus_runs_in_flight", "Runs that this process works on.")
RUNS_LIMIT = Gauge("consensus_runs_in_flight_limit", "Runs that this process may work on at once.")
CLAIM_LIMIT = Gauge(
    "consensus_runs_claim_limit",
    "Runs from the queue that this process works on at most; fewer while acknowledgements are late.",
)
RUNS_LEFT = Counter(
    "consensus_runs_left",
    "Runs that this process stopped working on before their end, by why: GIVEN_BACK, or the error's reason.",
    ("reason",),
)
_ATTEMPTS = Counter(
    "consensus_attempts",
    "Calls to the model that have ended as far as they are recorded, by SUCCEEDED, UNKNOWN, or the reason.",
    ("route", "outcome"),
)
_STEP_SECONDS = Histogram(
    "consensus_step_duration_seconds",
    "Time of a step with all its attempts and the waits between them.",
    ("step", "outcome"),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600),
)
_ENDED = {
    attempt_pb2.ATTEMPT_STATE_SUCCEEDED: "SUCCEEDED",
    attempt_pb2.ATTEMPT_STATE_UNKNOWN: "UNKNOWN",
}
_MOST_ROUTES = 200
_route_label = BoundedLabel(_MOST_ROUTES)  # a run may name one that the file of routes has lost
GIVEN_BACK = "GIVEN_BACK"
COMPLETED, FAILED, _CUT = "completed", "failed", "cut"
# From the start, at 0.
RUNS_LEFT.labels(GIVEN_BACK)
_ATTEMPTS.labels(DEFAULT_ROUTE, "SUCCEEDED")


def count_attempt(attempt: attempt_pb2.Attempt) -> None:
    """Counts an attempt that has ended."""
    outcome = _ENDED.get(attempt.state) or reason_name(attempt.reason)
    _ATTEMPTS.labels(_route_label(attempt.route or DEFAULT_ROUTE), outcome).inc()


class StepTime:
    """How long a step takes; `outcome` is set where it came to its end."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome = _CUT


@contextmanager
def timed_step(step: str) -> Iterator[StepTime]:
    """Takes the time of what is inside, under `expand` or `review`, whichever persona."""
    time, started = StepTime(), perf_counter()
    try:
        yield time
    finally:
        kind = EXPAND if step == EXPAND else "review"
        _STEP_SECONDS.labels(kind, time.outcome).observe(perf_counter() - started)
