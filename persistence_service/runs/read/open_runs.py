"""How many runs are open, over all processes: asked now and then, so that no scrape costs a count."""

import asyncio
from datetime import datetime

from prometheus_client import Gauge
from sqlalchemy import Connection, Integer, bindparam, func, literal_column, select

from consensus_contract.errors import ConsensusError
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.admission import UNREAD
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RUNS
from persistence_service.schema.visibility import visible

EVERY_SECONDS = 15.0
MOST_COUNTED = 100_000
_AGAIN_SECONDS = 1.0

_OPEN = Gauge(
    "consensus_open_runs",
    f"Runs of the whole database that are QUEUED or RUNNING, counted every {EVERY_SECONDS:g} s, up to "
    f"{MOST_COUNTED:,}.",
    ("state",),
)
_OLDEST_QUEUED = Gauge(
    "consensus_oldest_queued_run_age_seconds", "How long the oldest QUEUED run has waited; 0 without one."
)

# Literals, so that both databases see that the index of open runs serves.
_SOME_OPEN = (
    visible(select(RUNS.c.state, RUNS.c.create_time))
    .where(
        RUNS.c.state.in_([literal_column("'QUEUED'"), literal_column("'RUNNING'")]),
        RUNS.c.tenant.not_in(UNREAD),  # what a tenant has left behind goes on elsewhere
    )
    .order_by(RUNS.c.create_time)
    .limit(bindparam("most", type_=Integer))
    .subquery()
)
COUNT_OPEN = select(_SOME_OPEN.c.state, func.count(), func.min(_SOME_OPEN.c.create_time)).group_by(
    _SOME_OPEN.c.state
)


async def show_open_runs(database: Database) -> None:
    """Counts them at every interval, until it is cancelled; while the database is away nothing changes."""

    def count(connection: Connection) -> None:
        show(connection, database.now(connection))

    while True:
        pause = EVERY_SECONDS
        try:
            await database.run(count, tenant=EVERY_TENANT, read_only=True, resource="runs")
        except ConsensusError:  # away, or not there yet
            pause = _AGAIN_SECONDS
        await asyncio.sleep(pause)


def show(connection: Connection, now: datetime) -> None:
    """Counts once, and has metrics show it."""
    rows = connection.execute(COUNT_OPEN, {"most": MOST_COUNTED}).all()
    counts = {state: count for state, count, _ in rows}
    for state in (names.QUEUED, names.RUNNING):
        _OPEN.labels(state).set(counts.get(state, 0))
    oldest = next((create_time for state, _, create_time in rows if state == names.QUEUED), None)
    _OLDEST_QUEUED.set(max(0.0, (now - oldest).total_seconds()) if oldest is not None else 0.0)
