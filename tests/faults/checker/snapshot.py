"""The database as it stands: rows of every table that the rules look at, read past the services."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, create_engine, func, select
from sqlalchemy.pool import NullPool

from consensus.v1 import run_pb2
from persistence_service.database import normalise_url
from persistence_service.idempotency.repository import KEYS
from persistence_service.journal.tables import AUDIT_LOG
from persistence_service.runs.form import names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.events import run_event
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.form.tables import PAYLOADS, RUNS
from persistence_service.runs.read.repository import find_events, find_run
from tests.support.postgres import showing_all

Row = Mapping[str, Any]
_EVENTS_OF_A_RUN = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Rows by table, those of a run by its id."""

    now: datetime
    runs: Mapping[str, Row]
    entries: Mapping[str, Sequence[Row]]
    """The journal of each run, in order."""
    payloads: Mapping[str, Mapping[str, Sequence[Row]]]
    """By event type, then by run: proposals, reviews, decisions."""
    attempts: Mapping[str, Sequence[Row]]
    """Of runs, and of expansions that belong to no run."""
    keys: Sequence[Row]
    events: Mapping[str, Mapping[int, bytes]]
    """Events of each run as the service would build them from its rows, by sequence."""
    messages: Mapping[str, run_pb2.Run]


def run_ids(database_url: str) -> set[str]:
    """The runs that stand in a database."""
    with _connection(database_url) as connection:
        return set(connection.execute(select(RUNS.c.run_id)).scalars())


def open_runs(database_url: str) -> set[str]:
    """Those of them that have not ended."""
    with _connection(database_url) as connection:
        return set(connection.execute(select(RUNS.c.run_id).where(RUNS.c.state.in_(names.OPEN))).scalars())


def load(database_url: str, *, without: Collection[str] = ()) -> Snapshot:
    """Reads the runs of a database but those `without`."""
    with _connection(database_url) as connection:
        runs = {row["run_id"]: row for row in _rows(connection, RUNS) if row["run_id"] not in without}
        tenants = {run_id: run["tenant"] for run_id, run in runs.items()}
        return Snapshot(
            now=_now(connection),
            runs=runs,
            entries=_of_streams(connection, runs),
            payloads={kind: _by_run(connection, table, without) for kind, table in PAYLOADS.items()},
            attempts=_by_run(connection, ATTEMPTS, without),
            keys=[row for row in _rows(connection, KEYS) if row["run_id"] not in without],
            events={run_id: _events(connection, tenants[run_id], run_id) for run_id in runs},
            messages={
                run_id: whole_run(find_run(connection, tenant, run_id)) for run_id, tenant in tenants.items()
            },
        )


def _connection(database_url: str) -> Connection:
    return create_engine(normalise_url(showing_all(database_url)), poolclass=NullPool).connect()


def _rows(connection: Connection, table: Table) -> list[Row]:
    ordered = select(table).order_by(*table.primary_key.columns)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def _by_run(connection: Connection, table: Table, without: Collection[str]) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(connection, table):
        if row["run_id"] not in without:
            found[row["run_id"]].append(row)
    return found


def _of_streams(connection: Connection, runs: Collection[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    ordered = select(AUDIT_LOG).order_by(AUDIT_LOG.c.tenant, AUDIT_LOG.c.stream, AUDIT_LOG.c.sequence)
    for row in connection.execute(ordered).mappings():
        run_id = row["stream"].removeprefix("runs/")
        if run_id in runs:
            found[run_id].append(dict(row))
    return found


def _events(connection: Connection, tenant: str, run_id: str) -> dict[int, bytes]:
    stored = find_events(connection, tenant, run_id, 0, _EVENTS_OF_A_RUN)
    return {each.sequence: run_event(run_id, each).SerializeToString(deterministic=True) for each in stored}


def _now(connection: Connection) -> datetime:
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)
