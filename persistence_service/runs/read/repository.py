"""Reads of runs and their events. Never commits; every statement names its columns and the tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select, tuple_

from consensus_contract.errors import RunNotFound
from consensus_journal import Entry
from persistence_service.journal.entries import run_stream
from persistence_service.journal.stream import all_entries, entries_after, entries_of
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.events import RecordedRunEvent
from persistence_service.runs.form.human_tables import OVERRIDES
from persistence_service.runs.form.keys import RunHead, RunKey
from persistence_service.runs.form.run_message import RunRows
from persistence_service.runs.form.tables import (
    MATERIALS,
    PAYLOADS,
    REVISIONS,
    RUNS,
    SETTINGS,
    SPECIFICATIONS,
    SPECIFIED_MATERIAL,
    SPECIFIED_SETTINGS,
)
from persistence_service.runs.read.people import find_live
from persistence_service.schema.newest import newest_of_runs
from persistence_service.schema.scalars import from_microseconds
from persistence_service.schema.visibility import both

_SAME_RUN = and_(SPECIFICATIONS.c.tenant == RUNS.c.tenant, SPECIFICATIONS.c.run_id == RUNS.c.run_id)
RUNS_WITH_SPECIFICATION = both(
    select(
        *RUNS.columns,
        SPECIFICATIONS.c.idea,
        SPECIFICATIONS.c.context,
        SPECIFICATIONS.c.draft_id,
        SETTINGS.c.settings,
        MATERIALS.c.about,
    )
    .join(SPECIFICATIONS, _SAME_RUN)
    .join(SETTINGS, SPECIFIED_SETTINGS)
    .outerjoin(MATERIALS, SPECIFIED_MATERIAL)
)
FIND_RUN = RUNS_WITH_SPECIFICATION.map(
    lambda statement: statement.where(
        RUNS.c.tenant == bindparam("tenant"), RUNS.c.run_id == bindparam("run_id")
    )
)
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
FIND_MATERIAL = both(
    select(MATERIALS.c.document, MATERIALS.c.proposal, MATERIALS.c.attachment_texts).where(
        MATERIALS.c.tenant == bindparam("tenant"), MATERIALS.c.run_id == bindparam("run_id")
    )
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
_NEWEST_OVERRIDES = newest_of_runs(OVERRIDES, "override_id")
_EVERYTHING = {"first": 0, "last": 2**31 - 1}
HEADS_OF = both(
    select(RUNS.c.tenant, RUNS.c.run_id, RUNS.c.last_sequence, RUNS.c.state, RUNS.c.fencing_token).where(
        tuple_(RUNS.c.tenant, RUNS.c.run_id).in_(bindparam("keys", expanding=True))
    )
)


def find_run(connection: Connection, tenant: str, run_id: str, *, show_deleted: bool = False) -> RunRows:
    """All rows of a run but its attempts.

    Raises:
        RunNotFound: the tenant has no such run.
    """
    of_run = {"tenant": tenant, "run_id": run_id}
    run = connection.execute(FIND_RUN.shown(show_deleted), of_run).mappings().one_or_none()
    if run is None:
        raise RunNotFound(run_id=run_id)
    counts = {
        row.step: row.attempt_count for row in connection.execute(ATTEMPT_COUNTS.shown(show_deleted), of_run)
    }
    found = {
        event_type: connection.execute(statements.shown(show_deleted), of_run | _EVERYTHING).mappings().all()
        for event_type, statements in FIND_PAYLOADS.items()
    }
    revision = None
    if run["run_type"] == names.REVISION:
        revision = connection.execute(FIND_REVISION.shown(show_deleted), of_run).mappings().one_or_none()
    material = None
    if run["about"] is not None:
        material = connection.execute(FIND_MATERIAL.shown(show_deleted), of_run).mappings().one_or_none()
    override, people = None, {}
    if run["decision_label"] is not None:
        people = find_live(connection, tenant, [run_id], show_deleted=show_deleted)
        override = find_overrides(connection, tenant, [run_id], show_deleted=show_deleted).get(run_id)
    proposals, decisions = found[event_types.PROPOSAL], found[event_types.DECISION]
    return RunRows(
        run=run,
        entries=[_event(entry) for entry in all_entries(connection, tenant, run_stream(run_id))],
        attempt_counts=counts,
        proposal=proposals[0] if proposals else None,
        reviews=found[event_types.REVIEW],
        decision=decisions[0] if decisions else None,
        revision=revision,
        material=material,
        override=override,
        people=people.get(run_id, ()),
    )


def find_overrides(
    connection: Connection, tenant: str, run_ids: Sequence[str], *, show_deleted: bool = False
) -> dict[str, Mapping[Any, Any]]:
    """The newest override of each of these runs that has one."""
    of_runs = {"tenant": tenant, "run_ids": run_ids}
    rows = connection.execute(_NEWEST_OVERRIDES.shown(show_deleted), of_runs).mappings()
    return {row["run_id"]: row for row in rows}


def find_panel(
    connection: Connection, tenant: str, run_id: str, *, show_deleted: bool = False
) -> list[str] | None:
    """The run's personas in their order; None when the tenant has no such run."""
    of_run = {"tenant": tenant, "run_id": run_id}
    settings = connection.execute(FIND_SETTINGS.shown(show_deleted), of_run).scalar_one_or_none()
    return None if settings is None else [persona["persona_id"] for persona in settings["personas"]]


def find_entries(
    connection: Connection, tenant: str, run_ids: Sequence[str]
) -> dict[str, list[RecordedRunEvent]]:
    """The journals of these runs, without payloads, each in its order."""
    streams = {run_stream(run_id): run_id for run_id in run_ids}
    entries: dict[str, list[RecordedRunEvent]] = {run_id: [] for run_id in run_ids}
    for entry in entries_of(connection, tenant, list(streams)):
        entries[streams[entry.stream]].append(_event(entry))
    return entries


def find_events(
    connection: Connection, tenant: str, run_id: str, after: int, limit: int, *, show_deleted: bool = False
) -> list[RecordedRunEvent]:
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
        for row in connection.execute(FIND_PAYLOADS[kind].shown(show_deleted), of_run).mappings():
            rows[row["sequence"]] = row
    return [_joined(entry, rows.get(entry.sequence)) for entry in entries]


def _event(entry: Entry) -> RecordedRunEvent:
    time = from_microseconds(entry.event_time_us)
    return RecordedRunEvent(entry.sequence, time, entry.event_type, entry.persona_id, dict(entry.data))


def _joined(entry: RecordedRunEvent, payload: Mapping[Any, Any] | None) -> RecordedRunEvent:
    if payload is None:
        return entry
    return RecordedRunEvent(
        entry.sequence, entry.event_time, entry.event_type, entry.persona_id, entry.data, payload
    )


def find_heads(connection: Connection, keys: Sequence[RunKey], *, show_deleted: bool = True) -> list[RunHead]:
    """Where these runs stand, deleted or not: who follows one is to find out. Those that are not there are
    left out.
    """
    return [RunHead(*row) for row in connection.execute(HEADS_OF.shown(show_deleted), {"keys": keys})]
