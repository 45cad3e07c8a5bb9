"""Statements over escalations and what came of them, and their rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from consensus.v1 import decision_service_pb2
from persistence_service.journal.entries import Columns
from persistence_service.paging.keyset import beyond
from persistence_service.runs.form import names
from persistence_service.runs.form.human_tables import ESCALATIONS, OVERRIDES, RESOLUTIONS
from persistence_service.runs.form.overrides import override_message
from persistence_service.runs.form.tables import RUNS
from persistence_service.schema.base import insert
from persistence_service.schema.newest import newest_of_runs
from persistence_service.schema.scalars import storable, to_timestamp
from persistence_service.schema.visibility import everything, visible

_STATE = decision_service_pb2.EscalationState
_SAME_RUN = and_(ESCALATIONS.c.tenant == RUNS.c.tenant, ESCALATIONS.c.run_id == RUNS.c.run_id)
# A run that was resumed has failed no more: its end is another, or none.
_STANDS = or_(ESCALATIONS.c.cause != names.FAILED_ESCALATES, ESCALATIONS.c.create_time == RUNS.c.finish_time)
_RESOLVED = everything(
    select(literal_column("1")).where(
        RESOLUTIONS.c.tenant == ESCALATIONS.c.tenant,
        RESOLUTIONS.c.run_id == ESCALATIONS.c.run_id,
        RESOLUTIONS.c.sequence >= ESCALATIONS.c.sequence,
    ),
    "the run is shown",
).exists()
_OVERRIDDEN = everything(
    select(literal_column("1")).where(
        OVERRIDES.c.tenant == ESCALATIONS.c.tenant, OVERRIDES.c.run_id == ESCALATIONS.c.run_id
    ),
    "the run is shown",
).exists()
_OPEN: ColumnElement[bool] = and_(not_(_RESOLVED), not_(_OVERRIDDEN))
_OF_TENANT = visible(
    select(
        ESCALATIONS.c.run_id,
        ESCALATIONS.c.sequence,
        ESCALATIONS.c.create_time,
        ESCALATIONS.c.cause,
        _OPEN.label("is_open"),
    )
    .join(RUNS, _SAME_RUN)
    .where(ESCALATIONS.c.tenant == bindparam("tenant"), _STANDS)
)
_NEWEST = visible(
    select(func.max(ESCALATIONS.c.sequence))
    .join(RUNS, _SAME_RUN)
    .where(ESCALATIONS.c.tenant == bindparam("tenant"), ESCALATIONS.c.run_id == bindparam("run_id"), _STANDS)
)
_NEWEST_RESOLUTIONS = newest_of_runs(RESOLUTIONS, "resolution_id").visible
_NEWEST_OVERRIDES = newest_of_runs(OVERRIDES, "override_id").visible
_ORDER = (ESCALATIONS.c.create_time, ESCALATIONS.c.run_id)


def resolution_row(
    tenant: str,
    resolution: decision_service_pb2.EscalationResolution,
    resolution_id: str,
    sequence: int,
    caller: str,
    now: datetime,
) -> Columns:
    """The row of a resolution of all that is escalated up to this event.

    Raises:
        InvalidField: NUL in a text.
    """
    return {
        "tenant": tenant,
        "run_id": resolution.run_id,
        "resolution_id": resolution_id,
        "sequence": sequence,
        "create_time": now,
        "user_id": storable(resolution.user, "resolution.user"),
        "caller": caller,
        "resolution": storable(resolution.resolution, "resolution.resolution"),
    }


def resolution_message(row: Mapping[Any, Any]) -> decision_service_pb2.EscalationResolution:
    """The resolution that a row was made of."""
    return decision_service_pb2.EscalationResolution(
        run_id=row["run_id"],
        resolution_id=row["resolution_id"],
        resolution=row["resolution"],
        user=row["user_id"],
        caller=row["caller"],
        create_time=to_timestamp(row["create_time"]),
    )


def escalation_message(row: Mapping[Any, Any]) -> decision_service_pb2.Escalation:
    """The escalation that a row of a page was made of."""
    resolution, override = row["resolution"], row["override"]
    return decision_service_pb2.Escalation(
        run_id=row["run_id"],
        cause=names.cause_number(row["cause"]),
        state=_STATE.ESCALATION_STATE_OPEN if row["is_open"] else _STATE.ESCALATION_STATE_RESOLVED,
        create_time=to_timestamp(row["create_time"]),
        resolution=None if resolution is None else resolution_message(resolution),
        effective_override=None if override is None else override_message(override),
    )


def newest(connection: Connection, tenant: str, run_id: str) -> int | None:
    """The event for which the run is escalated, the newest; None where it is not."""
    sequence: int | None = connection.execute(_NEWEST, {"tenant": tenant, "run_id": run_id}).scalar_one()
    return sequence


def resolve(connection: Connection, row: Columns) -> None:
    """Inserts a resolution."""
    connection.execute(insert(RESOLUTIONS), row)


def page(
    connection: Connection,
    tenant: str,
    state: decision_service_pb2.EscalationState.ValueType,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Mapping[Any, Any]]:
    """The tenant's escalations, newest first, each with its newest resolution and override."""
    statement = _OF_TENANT.order_by(*(column.desc() for column in _ORDER)).limit(limit)
    if state:
        statement = statement.where(_OPEN if state == _STATE.ESCALATION_STATE_OPEN else not_(_OPEN))
    if after is not None:
        statement = statement.where(beyond(_ORDER, after, descending=True))
    rows = connection.execute(statement, {"tenant": tenant}).mappings().all()
    of_runs = {"tenant": tenant, "run_ids": [row["run_id"] for row in rows]}
    resolutions = {row["run_id"]: row for row in connection.execute(_NEWEST_RESOLUTIONS, of_runs).mappings()}
    overrides = {row["run_id"]: row for row in connection.execute(_NEWEST_OVERRIDES, of_runs).mappings()}
    return [
        {**row, "resolution": _of(row, resolutions), "override": overrides.get(row["run_id"])} for row in rows
    ]


def _of(
    escalation: Mapping[Any, Any], newest_of: Mapping[str, Mapping[Any, Any]]
) -> Mapping[Any, Any] | None:
    """The newest resolution, unless it was of an earlier failure."""
    found = newest_of.get(escalation["run_id"])
    return found if found is not None and found["sequence"] >= escalation["sequence"] else None
