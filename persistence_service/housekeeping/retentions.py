"""All that is removed for good in the background: expired keys, what was deleted, and what has grown old."""

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from persistence_service.database.partitions import drop_empty
from persistence_service.drafts import deleting as drafts
from persistence_service.events import repository as events
from persistence_service.housekeeping import expired_keys
from persistence_service.housekeeping.partitions import DROPPED
from persistence_service.housekeeping.purging import Retention, in_days
from persistence_service.journal.append import DatabaseClock
from persistence_service.metrics import deleting as metrics
from persistence_service.runs.write import purging as runs
from persistence_service.runs.write import spend_reads as spending
from persistence_service.webhooks import repository as webhooks

# A run or a draft has many rows.
_FEW = 50
# Of days that are over; a call that ends later finds its day not counted any more, and needs no count.
_COUNTERS_KEPT = timedelta(days=7)
# Webhooks that were delivered or given up, for whoever looks for one.
_WEBHOOKS_KEPT = timedelta(days=30)

EXPIRED_KEYS = Retention("idempotency_keys", timedelta(), expired_keys.purge_some, purged=expired_keys.PURGED)


def retentions(
    clock: DatabaseClock, *, deleted_days: int, run_days: int, event_days: int, metric_days: int
) -> list[Retention]:
    """The days of each kind; 0: for ever. `clock` is the database's, for the entries in the audit trail."""
    deleted = in_days(deleted_days)
    return [
        EXPIRED_KEYS,
        Retention("runs", deleted, partial(runs.purge_deleted, clock), _FEW),
        Retention("drafts", deleted, partial(drafts.purge_deleted, clock), _FEW),
        Retention("metrics", deleted, partial(metrics.purge_deleted, clock)),
        Retention("runs", in_days(run_days), partial(runs.purge_ended, clock), _FEW),
        Retention("expansions", in_days(run_days), runs.purge_expansions, _FEW),
        Retention("run_partitions", in_days(run_days), _drop_partition, purged=DROPPED),
        Retention("orphans", in_days(run_days), runs.purge_orphans),
        Retention("spend", _COUNTERS_KEPT, spending.purge_counters),
        Retention("webhook_deliveries", _WEBHOOKS_KEPT, webhooks.purge_settled),
        Retention("events", in_days(event_days), events.purge_some),
        Retention("metrics", in_days(metric_days), partial(metrics.purge_stored, clock)),
    ]


def _drop_partition(connection: Connection, _before: datetime, _max_count: int) -> int:
    """One, once its runs are purged: that none stands is what the database looks at."""
    return drop_empty(connection)
