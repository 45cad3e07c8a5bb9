"""Statements over outcomes, and their rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from consensus.v1 import decision_service_pb2
from persistence_service.paging.keyset import beyond
from persistence_service.runs.form import names
from persistence_service.runs.form.outcome_tables import OUTCOMES
from persistence_service.schema.base import insert
from persistence_service.schema.scalars import storable, ten_thousandths, to_timestamp
from persistence_service.schema.visibility import visible

_WHOLE = 10_000
_OF_TENANT = visible(
    select(*(column for column in OUTCOMES.c if column.name != "tenant")).where(
        OUTCOMES.c.tenant == bindparam("tenant")
    )
)
_ORDER = (OUTCOMES.c.create_time, OUTCOMES.c.outcome_id)


def outcome_row(
    tenant: str, outcome: decision_service_pb2.Outcome, outcome_id: str, caller: str, now: datetime
) -> dict[str, Any]:
    """The row of an outcome that is to be recorded.

    Raises:
        InvalidField: a reliability that ten-thousandths do not hold, or NUL in a text.
    """
    reliability = (
        ten_thousandths(outcome.reliability, "outcome.reliability")
        if outcome.HasField("reliability")
        else _WHOLE
    )
    return {
        "tenant": tenant,
        "run_id": outcome.run_id,
        "outcome_id": outcome_id,
        "create_time": now,
        "reliability": reliability,
        "label": names.label_text(outcome.label),
        "source": outcome.source,
        "user_id": storable(outcome.user, "outcome.user"),
        "caller": caller,
        "note": storable(outcome.note, "outcome.note"),
    }


def outcome_message(row: Mapping[Any, Any]) -> decision_service_pb2.Outcome:
    """The outcome that a row was made of."""
    return decision_service_pb2.Outcome(
        run_id=row["run_id"],
        outcome_id=row["outcome_id"],
        label=names.label_number(row["label"]),
        source=row["source"],
        reliability=row["reliability"] / _WHOLE,
        note=row["note"],
        user=row["user_id"],
        caller=row["caller"],
        create_time=to_timestamp(row["create_time"]),
    )


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """Inserts an outcome."""
    connection.execute(insert(OUTCOMES), row)


def page(
    connection: Connection, tenant: str, run_id: str, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Mapping[Any, Any]]:
    """The tenant's outcomes, or those of one run, newest first."""
    statement = _OF_TENANT.order_by(*(column.desc() for column in _ORDER)).limit(limit)
    if run_id:
        statement = statement.where(OUTCOMES.c.run_id == run_id)
    if after is not None:
        statement = statement.where(beyond(_ORDER, after, descending=True))
    return connection.execute(statement, {"tenant": tenant}).mappings().all()
