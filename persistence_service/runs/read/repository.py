"""Reads of runs and their events. Never commits; every statement names its columns and the tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select, tuple_

from consensus_contract.errors import RunNotFound
from consensus_journal import Entry
from persistence_service.journal.entries import run_stream
from persistence_service.journal.stream import all_entries, entries_after
from persistence_service.runs.form import entries as events
from persistence_service.runs.form import names
from persistence_service.runs.form.events import StoredEvent
from persistence_service.runs.form.run_message import RunRows
from persistence_service.runs.form.statements import (
    ATTEMPTS,
    PAYLOADS,
    REVISIONS,
    RUNS,
    SETTINGS,
    SPECIFICATIONS,
    SPECIFIED_SETTINGS,
)
from persistence_service.runs.write.locked_run import RUN_COLUMNS
from persistence_service.runs.write.operations import RunKey
from persistence_service.schema.scalars import from_microseconds
from persistence_service.schema.visibility import both

_SAME_RUN = and_(SPECIFICATIONS.c.tenant == RUNS.c.tenant, SPECIFICATIONS.c.run_id == RUNS.c.run_id)
# By whether deleted runs are to be shown, like all that follow.
RUNS_WITH_SPECIFICATION = both(
    select(
        *(RUNS.c[name] for name in RUN_COLUMNS),
        SPECIFICATIONS.c.idea,
        SPECIFICATIONS.c.context,
        SPECIFICATIONS.c.draft_id,
        SETTINGS.c.settings,
    )
    .join(SPECIFICATIONS, _SAME_RUN)
    .join(SETTINGS, SPECIFIED_SETTINGS)
)
RUN_WITH_SPECIFICATION = RUNS_WITH_SPECIFICATION[False]
FIND_RUN = {
    deleted: statement.where(RUNS.c.tenant == bindparam("tenant"), RUNS.c.run_id == bindparam("run_id"))
    for deleted, statement in RUNS_WITH_SPECIFICATION.items()
}
FIND_SETTINGS = both(
    select(SETTINGS.c.settings)
    .join(SPECIFICATIONS, SPECIFIED_SETTINGS)
    .where(SPECIFICATIONS.c.tenant == bindparam("tenant"), SPECIFICATIONS.c.run_id == bindparam("run_id"))
)
FIND_REVISION = both(
    select(
        REVISIONS.c.edit_notes,
        REVISIONS.c.edited_proposal,
        REVISIONS.c.parent_proposal,
        REVISIONS.c.asked_personas,
    ).where(REVISIONS.c.tenant == bindparam("tenant"), REVISIONS.c.run_id == bindparam("run_id"))
)
ATTEMPT_COUNTS = both(
    select(ATTEMPTS.c.step, func.count().label("attempt_count"))
    .where(ATTEMPTS.c.tenant == bindparam("tenant"), ATTEMPTS.c.run_id == bindparam("run_id"))
    .group_by(ATTEMPTS.c.step)
)
FIND_PAYLOADS = {
    event_type: both(
        select(*(column for column in table.columns if column.name not in ("tenant", "run_id")))
        .where(table.c.tenant == bindparam("tenant"), table.c.run_id == bindparam("run_id"))
        .where(table.c.sequence >= bindparam("first"), table.c.sequence <= bindparam("last"))
        .order_by(table.c.sequence)
    )
    for event_type, table in PAYLOADS.items()
}
_EVERYTHING = {"first": 0, "last": 2**31 - 1}
HEADS_OF = both(
    select(RUNS.c.tenant, RUNS.c.run_id, RUNS.c.last_sequence, RUNS.c.state, RUNS.c.fencing_token).where(
        tuple_(RUNS.c.tenant, RUNS.c.run_id).in_(bindparam("keys", expanding=True))
    )
)


@dataclass(frozen=True, slots=True)
class RunHead:
    """Where a run stands: what watchers and owners are woken with."""

    tenant: str
    run_id: str
    last_sequence: int
    state: str
    fencing_token: int

    @property
    def key(self) -> RunKey:
        """Tenant and run id."""
        return (self.tenant, self.run_id)

    @property
    def version(self) -> tuple[int, int]:
        """Token and sequence, which only rise."""
        return (self.fencing_token, self.last_sequence)


def find_run(connection: Connection, tenant: str, run_id: str, *, show_deleted: bool = False) -> RunRows:
    """All rows of a run but its attempts.

    Raises:
        RunNotFound: the tenant has no such run.
    """
    of_run = {"tenant": tenant, "run_id": run_id}
    run = connection.execute(FIND_RUN[show_deleted], of_run).mappings().one_or_none()
    if run is None:
        raise RunNotFound(run_id=run_id)
    counts = {row.step: row.attempt_count for row in connection.execute(ATTEMPT_COUNTS[show_deleted], of_run)}
    found = {
        event_type: connection.execute(statements[show_deleted], of_run | _EVERYTHING).mappings().all()
        for event_type, statements in FIND_PAYLOADS.items()
    }
    revision = None
    if run["run_type"] == names.REVISION:
        revision = connection.execute(FIND_REVISION[show_deleted], of_run).mappings().one_or_none()
    proposals, decisions = found[events.PROPOSAL], found[events.DECISION]
    return RunRows(
        run=run,
        entries=[_event(entry) for entry in all_entries(connection, tenant, run_stream(run_id))],
        attempt_counts=counts,
        proposal=proposals[0] if proposals else None,
        reviews=found[events.REVIEW],
        decision=decisions[0] if decisions else None,
        revision=revision,
    )


def find_panel(
    connection: Connection, tenant: str, run_id: str, *, show_deleted: bool = False
) -> list[str] | None:
    """The run's personas in their order; None when the tenant has no such run."""
    of_run = {"tenant": tenant, "run_id": run_id}
    settings = connection.execute(FIND_SETTINGS[show_deleted], of_run).scalar_one_or_none()
    return None if settings is None else [persona["persona_id"] for persona in settings["personas"]]


def find_reviews(
    connection: Connection, tenant: str, run_id: str, *, show_deleted: bool = False
) -> list[Mapping[Any, Any]]:
    """The run's reviews, in the order in which they were recorded."""
    parameters = {"tenant": tenant, "run_id": run_id, **_EVERYTHING}
    return list(connection.execute(FIND_PAYLOADS[events.REVIEW][show_deleted], parameters).mappings())


def find_events(
    connection: Connection, tenant: str, run_id: str, after: int, limit: int, *, show_deleted: bool = False
) -> list[StoredEvent]:
    """The next events of a run that stands, with their payloads; empty when there are none."""
    found = entries_after(connection, tenant, run_stream(run_id), after, limit)
    entries = [_event(entry) for entry in found]
    kinds = {entry.event_type for entry in entries} & FIND_PAYLOADS.keys()
    if not kinds:
        return entries
    window = {"first": entries[0].sequence, "last": entries[-1].sequence}
    of_run = {"tenant": tenant, "run_id": run_id, **window}
    rows: dict[int, Mapping[Any, Any]] = {}
    for kind in kinds:
        for row in connection.execute(FIND_PAYLOADS[kind][show_deleted], of_run).mappings():
            rows[row["sequence"]] = row
    return [_joined(entry, rows.get(entry.sequence)) for entry in entries]


def _event(entry: Entry) -> StoredEvent:
    time = from_microseconds(entry.event_time_us)
    return StoredEvent(entry.sequence, time, entry.event_type, entry.persona_id, dict(entry.data))


def _joined(entry: StoredEvent, payload: Mapping[Any, Any] | None) -> StoredEvent:
    if payload is None:
        return entry
    return StoredEvent(
        entry.sequence, entry.event_time, entry.event_type, entry.persona_id, entry.data, payload
    )


def find_heads(
    connection: Connection, keys: Sequence[RunKey], *, show_deleted: bool = False
) -> list[RunHead]:
    """Where these runs stand; those that are not there are left out."""
    return [RunHead(*row) for row in connection.execute(HEADS_OF[show_deleted], {"keys": keys})]
