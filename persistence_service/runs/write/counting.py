"""What is counted of what the writer commits: batches, and what became of runs and their leases."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from consensus_contract.errors import LeaseLost
from consensus_rpc.telemetry.labels import tenant_label
from persistence_service.runs.form import names
from persistence_service.runs.write.locked_run import Tracked
from persistence_service.runs.write.operations import Operation
from persistence_service.runs.write.outcomes import (
    Answer,
    BatchResult,
    Claimed,
    Created,
    Granted,
    Released,
    Repeated,
    RunChange,
)

_RUN_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)

BATCH_SIZE = Histogram(
    "consensus_writer_batch_operations",
    "Operations that were committed together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
COMMIT_SECONDS = Histogram(
    "consensus_writer_commit_seconds",
    "Time from taking a batch to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
SPLITS = Counter("consensus_writer_splits", "Batches that were split because an operation failed.")
WAITING = Gauge("consensus_writer_operations_waiting", "Operations that wait for the writer.")

_ENTERED = Counter(
    "consensus_runs_entered_state",
    "Runs that came into a state; a run that is resumed does so again.",
    ("state", "tenant"),
)
_RUN_SECONDS = Histogram(
    "consensus_run_duration_seconds",
    "Time from the start of work on a run to its end, by the state that it ended in.",
    ("state",),
    buckets=_RUN_BUCKETS,
)
_QUEUE_SECONDS = Histogram(
    "consensus_run_queue_seconds",
    "Time from a run's creation to the start of work on it.",
    buckets=(0.005, 0.01, *_RUN_BUCKETS),
)
_TAKE_OVERS = Counter(
    "consensus_run_take_overs",
    "Runs that another process went on with, by whether their lease had been given back or had run out.",
    ("cause",),
)
_LEASES = Counter(
    "consensus_leases",
    "Leases on runs: granted, renewed, released, and what was refused because its own was lost.",
    ("event",),
)
_GRANTED, _RENEWED, _RELEASED, _LOST = "granted", "renewed", "released", "lost"
_EXPIRED = "expired"
# From the start, at 0.
for _state in (names.QUEUED, names.RUNNING, names.COMPLETED, names.FAILED, names.CANCELLED):
    _ENTERED.labels(_state, "")
for _event in (_GRANTED, _RENEWED, _RELEASED, _LOST):
    _LEASES.labels(_event)
for _cause in (_RELEASED, _EXPIRED):
    _TAKE_OVERS.labels(_cause)


def count_commit(operations: Sequence[Operation], result: BatchResult, seconds: float) -> None:
    """Counts a batch that was committed, within so many seconds."""
    COMMIT_SECONDS.observe(seconds)
    BATCH_SIZE.observe(len(operations))
    for answer in result.answers:
        if (event := _lease_event(answer)) is not None:
            _LEASES.labels(event[0]).inc(event[1])
    for change in result.changes:
        _count_change(change)


def change_of(tracked: Tracked) -> RunChange:
    """What a batch made of a run."""
    run, stored = tracked.run, tracked.stored or {}
    has_begun = run.start_time is not None and stored.get("start_time") is None
    has_ended = run.finish_time is not None and stored.get("finish_time") is None
    begun = run.budget_start_time or run.start_time  # of a run that was resumed, since then
    return RunChange(
        run.tenant,
        stored.get("state"),
        run.state,
        take_overs=run.take_over_count - stored.get("take_over_count", 0),
        was_released=bool(stored.get("lease_was_released")),
        queue_seconds=_span(run.create_time, run.start_time) if has_begun else None,
        work_seconds=_span(begun, run.finish_time) if has_ended else None,
    )


def _span(begin: datetime | None, end: datetime | None) -> float | None:
    """Seconds; None where either is missing."""
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


def _lease_event(answer: Answer) -> tuple[str, int] | None:
    """What an answer says of leases, and of how many."""
    match answer:
        case Created(granted=Granted()):
            return _GRANTED, 1
        case Claimed():
            return _GRANTED, len(answer.runs)
        case Granted() | Repeated(granted=Granted()):
            return _RENEWED, 1
        case Released():
            return _RELEASED, 1
        case LeaseLost():
            return _LOST, 1
        case _:
            return None


def _count_change(change: RunChange) -> None:
    if change.take_overs:
        _TAKE_OVERS.labels(_RELEASED if change.was_released else _EXPIRED).inc(change.take_overs)
    if change.state == change.former_state:
        return
    _ENTERED.labels(change.state, tenant_label(change.tenant)).inc()
    if change.queue_seconds is not None:
        _QUEUE_SECONDS.observe(change.queue_seconds)
    if change.work_seconds is not None:
        _RUN_SECONDS.labels(change.state).observe(change.work_seconds)
