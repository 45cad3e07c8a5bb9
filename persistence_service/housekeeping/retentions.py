"""All that is removed for good in the background: what was deleted, and what has grown old."""

from functools import partial

from persistence_service.drafts import deleting as drafts
from persistence_service.events import repository as events
from persistence_service.housekeeping.purging import Retention
from persistence_service.journal.append import Clock
from persistence_service.metrics import deleting as metrics
from persistence_service.runs.write import purging as runs

# A run or a draft has many rows.
_FEW = 50


def retentions(
    clock: Clock, *, deleted_days: int, run_days: int, event_days: int, metric_days: int
) -> list[Retention]:
    """The days of each kind; 0: for ever. `clock` is the database's, for the entries in the audit trail."""
    return [
        Retention("runs", deleted_days, partial(runs.purge_deleted, clock), _FEW),
        Retention("drafts", deleted_days, partial(drafts.purge_deleted, clock), _FEW),
        Retention("metrics", deleted_days, partial(metrics.purge_deleted, clock)),
        Retention("runs", run_days, partial(runs.purge_ended, clock), _FEW),
        Retention("events", event_days, events.purge_some),
        Retention("metrics", metric_days, partial(metrics.purge_stored, clock)),
    ]
