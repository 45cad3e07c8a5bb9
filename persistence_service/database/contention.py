"""What is counted of transactions that stood in one another's way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from prometheus_client import Counter, Histogram

from persistence_service.database.faults import DatabaseFault

_CAUSES = {"40001": "serialization_failure", "40P01": "deadlock", "55P03": "lock_timeout"}
_OF_SQLITE, _NO_ANSWER = "sqlite_busy", "unavailable"
_ID = re.compile(r"/.*", re.DOTALL)

_RETRIES = Counter(
    "consensus_transaction_retries", "Transactions that were run again, by what broke them.", ("cause",)
)
_LOCK_TIMEOUTS = Counter(
    "consensus_lock_timeouts",
    "Units of work that were given up because others held what they needed, by what that was.",
    ("resource",),
)
_LOCK_WAITS = Histogram(
    "consensus_lock_wait_seconds",
    "How long this process waited for what others held, by what that was. What PostgreSQL itself waits "
    "for within a statement is not in it.",
    ("resource",),
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
# From the start, at 0.
for _cause in (*_CAUSES.values(), _OF_SQLITE, _NO_ANSWER):
    _RETRIES.labels(_cause)
for _metric in (_LOCK_TIMEOUTS, _LOCK_WAITS):
    _metric.labels("runs")


def count_retry(fault: DatabaseFault | None, code: str) -> None:
    """Counts a transaction that is run again; `code` is PostgreSQL's own, if it is of PostgreSQL."""
    of_contention = _CAUSES.get(code, _OF_SQLITE)
    _RETRIES.labels(of_contention if fault is DatabaseFault.CONTENTION else _NO_ANSWER).inc()


def show_lock_timeouts(resource: str) -> None:
    """Has metrics show it, at 0 as long as nobody gave it up: the first is seen as an increase too."""
    _LOCK_TIMEOUTS.labels(_kind(resource))


def count_lock_timeout(resource: str) -> None:
    """Counts a unit of work that was given up; `runs/7` counts as `runs`."""
    _LOCK_TIMEOUTS.labels(_kind(resource)).inc()


def waited_for(resource: str, seconds: float) -> None:
    """Notes how long something was waited for."""
    _LOCK_WAITS.labels(_kind(resource)).observe(seconds)


@contextmanager
def waiting_for(resource: str) -> Iterator[None]:
    """Notes how long what is inside took, whatever came of it."""
    started = monotonic()
    try:
        yield
    finally:
        waited_for(resource, monotonic() - started)


def _kind(resource: str) -> str:
    """`runs/7` is one of `runs`."""
    return _ID.sub("", resource)
