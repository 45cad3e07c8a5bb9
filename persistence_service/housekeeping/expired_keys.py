"""Forgets keys that have expired, a few at a time, and never before their run has ended."""

from datetime import datetime

from prometheus_client import Counter
from sqlalchemy import Connection, bindparam, delete, exists, select, tuple_

from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RunRow
from persistence_service.schema.visibility import visible

PURGED = Counter("consensus_idempotency_keys_purged", "Expired idempotency keys that were forgotten.")

_KEYS = IdempotencyKeyRow.__table__
_KEY = tuple_(*_KEYS.primary_key)
_IS_OPEN = exists(
    visible(select(RunRow.run_id)).where(
        RunRow.tenant == IdempotencyKeyRow.tenant,
        RunRow.run_id == IdempotencyKeyRow.run_id,
        RunRow.state.in_(sorted(names.OPEN)),
    )
)
_EXPIRED = (
    select(*_KEYS.primary_key)
    .where(IdempotencyKeyRow.expire_time <= bindparam("now"), ~_IS_OPEN)
    .order_by(IdempotencyKeyRow.expire_time)
    .limit(bindparam("max_count"))
)
PURGE = delete(IdempotencyKeyRow).where(_KEY.in_(_EXPIRED))


def purge_some(connection: Connection, now: datetime, max_count: int) -> int:
    """Deletes some of the keys that have expired by now; how many."""
    return connection.execute(PURGE, {"now": now, "max_count": max_count}).rowcount
