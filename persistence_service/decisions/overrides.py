"""Statements over overrides of decisions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from persistence_service.journal.entries import Columns
from persistence_service.paging.keyset import beyond
from persistence_service.runs.form.human_tables import OVERRIDES
from persistence_service.schema.base import insert
from persistence_service.schema.visibility import visible

_OF_RUN = visible(
    select(*(column for column in OVERRIDES.c if column.name != "tenant")).where(
        OVERRIDES.c.tenant == bindparam("tenant"), OVERRIDES.c.run_id == bindparam("run_id")
    )
)
_ORDER = (OVERRIDES.c.create_time, OVERRIDES.c.override_id)


def add(connection: Connection, row: Columns) -> None:
    """Inserts an override."""
    connection.execute(insert(OVERRIDES), row)


def page(
    connection: Connection, tenant: str, run_id: str, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Mapping[Any, Any]]:
    """The run's overrides, newest first."""
    statement = _OF_RUN.order_by(*(column.desc() for column in _ORDER)).limit(limit)
    if after is not None:
        statement = statement.where(beyond(_ORDER, after, descending=True))
    return connection.execute(statement, {"tenant": tenant, "run_id": run_id}).mappings().all()
