"""Partitions of runs, where an operator has chosen them: made before they are needed."""

import asyncio

from prometheus_client import Counter

from consensus_contract.errors import ConsensusError, DatabaseUnavailable
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.partitions import add_ahead

log = get_logger()
_AGAIN_SECONDS = 1.0

MADE = Counter("consensus_run_partitions_made", "Partitions of runs that were made ahead of time.")
DROPPED = Counter("consensus_run_partitions_dropped", "Partitions of purged runs that were dropped.")


async def make_ahead(database: Database) -> int:
    """Makes those that will be needed soon; how many."""
    made = await database.run(
        add_ahead, tenant=EVERY_TENANT, isolation="READ COMMITTED", resource="run_partitions"
    )
    MADE.inc(made)
    return made


async def make_ahead_for_ever(database: Database, interval_seconds: float) -> None:
    """Does so at once and at every interval, until it is cancelled.

    Rows of a time without a partition go to the rest, and stay there.
    """
    while True:
        try:
            if made := await make_ahead(database):
                log.info("run_partitions_made", count=made)
        except DatabaseUnavailable:  # not there yet, or away, which others say
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        except ConsensusError as error:  # the next round tries again
            log.info("run_partitions_not_made", reason=error.reason_name)
        await asyncio.sleep(interval_seconds)
