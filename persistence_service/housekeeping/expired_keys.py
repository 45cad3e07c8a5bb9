"""Forgets keys that have expired, a few at a time, and never before their run has ended."""

from datetime import datetime

from prometheus_client import Counter
from sqlalchemy import Connection, bindparam, exists, select

from persistence_service.database.tenants import OldestRemoved
from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RunRow
from persistence_service.schema.base import core_table
from persistence_service.schema.visibility import visible

PURGED = Counter("consensus_idempotency_keys_purged", "Expired idempotency keys that were forgotten.")

_KEYS = core_table(IdempotencyKeyRow)
_IS_OPEN = exists(
    visible(select(RunRow.run_id)).where(
        RunRow.tenant == _KEYS.c.tenant,
        RunRow.run_id == _KEYS.c.run_id,
        RunRow.state.in_(sorted(names.OPEN)),
    )
)
PURGE = OldestRemoved(
    _KEYS,
    _KEYS.c.expire_time,
    _KEYS.c.expire_time <= bindparam("now"),
    ~_IS_OPEN,
)


def purge_some(connection: Connection, now: datetime, max_count: int) -> int:
    """Deletes some of the keys that have expired by now; how many."""
    return PURGE.count(connection, max_count, now=now)
