"""Forgets keys that have expired, a few at a time, and never before their run has ended."""

import asyncio
from datetime import datetime

from prometheus_client import Counter
from sqlalchemy import Connection, bindparam, delete, exists, select, tuple_

from consensus_contract.errors import ConsensusError
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import Database
from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RunRow
from persistence_service.schema.visibility import visible

log = get_logger()

BATCH = 500
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
    .limit(BATCH)
)
PURGE = delete(IdempotencyKeyRow).where(_KEY.in_(_EXPIRED))


def purge_some(connection: Connection, now: datetime) -> int:
    """Deletes at most a batch of expired keys; how many."""
    return connection.execute(PURGE, {"now": now}).rowcount


async def purge_all(database: Database) -> int:
    """Deletes all expired keys, a batch per transaction, so that nobody waits for long; how many."""
    total = 0
    while count := await database.run(
        lambda connection: purge_some(connection, database.now(connection)),
        isolation="READ COMMITTED",
        resource="idempotency_keys",
    ):
        total += count
    return total


async def purge_for_ever(database: Database, interval_seconds: float) -> None:
    """Purges at every interval, until it is cancelled."""
    while True:
        await asyncio.sleep(interval_seconds)
        try:
            count = await purge_all(database)
        except ConsensusError as error:  # the next round tries again
            log.info("purge_failed", reason=error.reason_name)
            continue
        if count:
            PURGED.inc(count)
            log.info("idempotency_keys_purged", count=count)
