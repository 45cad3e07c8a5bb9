"""Statements over metrics. All that read start from `_of_tenant`, which leaves out what is deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    tuple_,
)

from consensus_journal import canonical_json, digest
from persistence_service.containment import JsonContains
from persistence_service.metrics.metric import MetricFilter, NewMetric, StoredMetric
from persistence_service.metrics.tables import MetricRow
from persistence_service.paging.keyset import beyond
from persistence_service.schema import insert

_METRICS = MetricRow.__table__.c
_STORED = (
    _METRICS.metric_id,
    _METRICS.metric_type,
    _METRICS.data,
    _METRICS.user_id,
    _METRICS.org_id,
    _METRICS.create_time,
    _METRICS.update_time,
)
_NEWEST_FIRST = (_METRICS.create_time, _METRICS.metric_id)
_NEW = insert(MetricRow)
_REPLACED = ("metric_type", "data", "user_id", "org_id", "update_time", "delete_time", "deletion_id")
_STORE = _NEW.on_conflict_do_update(
    index_elements=["tenant", "metric_id"],
    set_={
        **{name: _NEW.excluded[name] for name in _REPLACED},
        # For readers one that was deleted was not there: it is new.
        "create_time": case(
            (_METRICS.delete_time.is_(None), _METRICS.create_time), else_=_NEW.excluded.create_time
        ),
    },
)
_AGED = (
    select(_METRICS.tenant, _METRICS.metric_id)
    .where(_METRICS.update_time < bindparam("before", type_=_METRICS.update_time.type))
    .order_by(_METRICS.update_time)
    .limit(bindparam("max_count"))
)
_PURGE = (
    delete(MetricRow)
    .where(
        and_(
            tuple_(_METRICS.tenant, _METRICS.metric_id).in_(_AGED),
            # Once more: one that was stored again meanwhile is not old any longer.
            _METRICS.update_time < bindparam("before", type_=_METRICS.update_time.type),
        )
    )
    .returning(_METRICS.tenant, _METRICS.metric_id)
)


@dataclass(frozen=True, slots=True)
class TypeCount:
    """Metrics of one type."""

    metric_type: str
    metric_count: int


def store(
    connection: Connection, tenant: str, user: str, metrics: Sequence[NewMetric], now: datetime
) -> None:
    """Inserts new metrics and replaces those with the same ids, in one statement.

    Rows are locked in the order of their ids, so that two who store the same do not wait for each other.
    """
    rows = [
        {
            "tenant": tenant,
            "metric_id": metric.metric_id,
            "metric_type": metric.metric_type,
            "data": metric.data,
            "user_id": user or None,
            "org_id": metric.org_id,
            "create_time": now,
            "update_time": now,
            "delete_time": None,
            "deletion_id": None,
        }
        for metric in sorted(metrics, key=lambda metric: metric.metric_id)
    ]
    connection.execute(_STORE, rows)


def batch_digest(metrics: Sequence[NewMetric]) -> bytes:
    """SHA-256 over what a batch says, in the order of ids."""
    return digest(
        canonical_json(
            [
                [metric.metric_id, metric.metric_type, metric.org_id, metric.data_digest.hex()]
                for metric in sorted(metrics, key=lambda metric: metric.metric_id)
            ]
        )
    )


def find(connection: Connection, tenant: str, metric_id: str) -> StoredMetric | None:
    """The metric, if there is one."""
    row = connection.execute(_of_tenant(tenant, *_STORED).where(_METRICS.metric_id == metric_id)).first()
    return None if row is None else _stored(row)


def page(
    connection: Connection, tenant: str, wanted: MetricFilter, after: Sequence[Any] | None, limit: int
) -> list[StoredMetric]:
    """Metrics, newest first, that come after a position (as `position_of` tells it)."""
    statement = _filtered(_of_tenant(tenant, *_STORED), wanted)
    if after is not None:
        statement = statement.where(beyond(_NEWEST_FIRST, after, descending=True))
    statement = statement.order_by(*(column.desc() for column in _NEWEST_FIRST)).limit(limit)
    return [_stored(row) for row in connection.execute(statement)]


def count_types(connection: Connection, tenant: str, wanted: MetricFilter, limit: int) -> list[TypeCount]:
    """Counts per type, in the order of types."""
    statement = _filtered(_of_tenant(tenant, _METRICS.metric_type, func.count()), wanted)
    grouped = statement.group_by(_METRICS.metric_type).order_by(_METRICS.metric_type).limit(limit)
    return [TypeCount(*row) for row in connection.execute(grouped)]


def purge_some(connection: Connection, before: datetime, max_count: int) -> list[tuple[str, str]]:
    """Deletes metrics that were stored last before an instant; tenant and id of each, in order."""
    purged = connection.execute(_PURGE, {"before": before, "max_count": max_count})
    return sorted((row.tenant, row.metric_id) for row in purged)


def position_of(metric: StoredMetric) -> tuple[Any, ...]:
    """Where the metric stands in a list."""
    return (metric.create_time, metric.metric_id)


def _of_tenant(tenant: str, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(_METRICS.tenant == tenant, _METRICS.delete_time.is_(None))


def _filtered(statement: Select[Any], wanted: MetricFilter) -> Select[Any]:
    for column, value in (
        (_METRICS.metric_type, wanted.metric_type),
        (_METRICS.user_id, wanted.user_id),
        (_METRICS.org_id, wanted.org_id),
    ):
        if value:
            statement = statement.where(column == value)
    if wanted.time_from is not None:
        statement = statement.where(_METRICS.create_time >= wanted.time_from)
    if wanted.time_to is not None:
        statement = statement.where(_METRICS.create_time <= wanted.time_to)
    if wanted.data is not None:
        statement = statement.where(JsonContains(_METRICS.data, wanted.data))
    return statement


def _stored(row: Row[Any]) -> StoredMetric:
    return StoredMetric(**row._mapping)
