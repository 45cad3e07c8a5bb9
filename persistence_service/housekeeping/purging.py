"""Deletes what has grown old, a few rows per transaction, in the background."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter
from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.admission import ON_THEIR_WAY, closed_tenants
from persistence_service.journal.append import DatabaseClock

log = get_logger()

BATCH = 500
PURGE_SECONDS = 600.0
"""How often the service looks for what has grown old."""

PURGED = Counter("consensus_rows_purged", "Rows that were deleted because of their age.", ["table"])

PurgeSome = Callable[[Connection, datetime, int], int]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of a table are kept; an age of None: for ever.

    `purge_some` deletes at most so many rows from before an instant, and answers how many it deleted;
    `batch` is how many go in one transaction. `purged` counts them, and is the table's own unless given.
    """

    table: str
    age: timedelta | None
    purge_some: PurgeSome
    batch: int = BATCH
    purged: Counter | None = None


def in_days(count: int) -> timedelta | None:
    """An age in days; 0: for ever."""
    return timedelta(days=count) if count else None


async def purge_all(database: Database, retention: Retention, clock: DatabaseClock | None = None) -> int:
    """Deletes all rows that are too old, a batch per transaction, so that nobody waits for long; how many.

    None while a tenant is on the move: what is exported must be what is imported.

    `clock` is the database's unless given.
    """
    if retention.age is None:
        return 0
    now, age, total = clock or database.now, retention.age, 0
    purged = retention.purged or PURGED.labels(retention.table)

    def purge_some(connection: Connection) -> int:
        if any(state in ON_THEIR_WAY for state in closed_tenants(connection).values()):
            return 0
        return retention.purge_some(connection, now(connection) - age, retention.batch)

    while count := await database.run(
        purge_some,
        tenant=EVERY_TENANT,
        isolation="READ COMMITTED",
        resource=retention.table,
    ):
        purged.inc(count)
        total += count
    return total


async def purge_for_ever(
    database: Database, retentions: Sequence[Retention], interval_seconds: float
) -> None:
    """Purges at every interval what is not kept for ever, until it is cancelled."""
    bounded = [retention for retention in retentions if retention.age is not None]
    while bounded:
        await asyncio.sleep(interval_seconds)
        for retention in bounded:
            try:
                count = await purge_all(database, retention)
            except ConsensusError as error:  # the next round tries again
                log.info("purge_failed", table=retention.table, reason=error.reason_name)
                continue
            if count:
                log.info("rows_purged", table=retention.table, count=count)
