"""Statements over metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)

from consensus_journal import canonical_json, digest
from persistence_service.database.tenants import ForKeys, OldestLocked
from persistence_service.metrics.metric import MetricFilter, NewMetric, StoredMetric
from persistence_service.metrics.tables import MetricRow
from persistence_service.paging.keyset import beyond
from persistence_service.schema.base import insert
from persistence_service.schema.containment import JsonContains
from persistence_service.schema.visibility import both, everything, visible

_MARKED_AT_ONCE = 1000

_METRICS = MetricRow.__table__.c
_STORED = (
    _METRICS.metric_id,
    _METRICS.metric_type,
    _METRICS.data,
    _METRICS.user_id,
    _METRICS.org_id,
    _METRICS.create_time,
    _METRICS.update_time,
    _METRICS.delete_time,
    _METRICS.deletion_id,
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
_OF_TENANT = _METRICS.tenant == bindparam("of_tenant")
_IDS = _METRICS.metric_id.in_(bindparam("ids", expanding=True))
# Rows are locked in the order of their ids, as storing locks them.
_LOCK_SOME = (
    everything(select(_METRICS.metric_id, _METRICS.delete_time), "deleting again changes nothing")
    .where(_OF_TENANT, _IDS)
    .order_by(_METRICS.metric_id)
    .with_for_update()
)
_LOCK_OF_USER = (
    visible(select(_METRICS.metric_id))
    .where(_OF_TENANT, _METRICS.user_id == bindparam("user"))
    .order_by(_METRICS.metric_id)
    .with_for_update()
)
_LOCK_OF_DELETION = (
    everything(select(_METRICS.metric_id), "restores what is deleted")
    .where(_OF_TENANT, _METRICS.deletion_id == bindparam("deletion"))
    .order_by(_METRICS.metric_id)
    .with_for_update()
)
_MARK = (
    everything(update(MetricRow), "they are locked; it deletes or restores them")
    .where(_OF_TENANT, _IDS)
    .values(
        delete_time=bindparam("at", type_=_METRICS.delete_time.type),
        deletion_id=bindparam("of_deletion"),
    )
)
_REMOVED = "removes what is old, deleted or not"
_LOCK_OLD = {
    instant.key: OldestLocked(
        everything(select(_METRICS.tenant, _METRICS.metric_id), _REMOVED).where(
            instant < bindparam("before", type_=instant.type)
        ),
        [instant],
        [_METRICS.tenant, _METRICS.metric_id],
    )
    for instant in (_METRICS.update_time, _METRICS.delete_time)
}
_REMOVE = ForKeys(everything(delete(MetricRow), _REMOVED).where, _METRICS.tenant, _METRICS.metric_id)


@dataclass(frozen=True, slots=True)
class MetricTypeCount:
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


def find(
    connection: Connection, tenant: str, metric_id: str, *, show_deleted: bool = False
) -> StoredMetric | None:
    """The metric, if there is one."""
    statement = _of_tenant(tenant, *_STORED, show_deleted=show_deleted)
    row = connection.execute(statement.where(_METRICS.metric_id == metric_id)).first()
    return None if row is None else _stored(row)


def page(
    connection: Connection,
    tenant: str,
    wanted: MetricFilter,
    after: Sequence[Any] | None,
    limit: int,
    *,
    show_deleted: bool = False,
) -> list[StoredMetric]:
    """Metrics, newest first, that come after a position (as `position_of` tells it)."""
    statement = _filtered(_of_tenant(tenant, *_STORED, show_deleted=show_deleted), wanted)
    if after is not None:
        statement = statement.where(beyond(_NEWEST_FIRST, after, descending=True))
    statement = statement.order_by(*(column.desc() for column in _NEWEST_FIRST)).limit(limit)
    return [_stored(row) for row in connection.execute(statement)]


def count_types(
    connection: Connection, tenant: str, wanted: MetricFilter, limit: int
) -> list[MetricTypeCount]:
    """Counts per type, in the order of types."""
    statement = _filtered(_of_tenant(tenant, _METRICS.metric_type, func.count()), wanted)
    grouped = statement.group_by(_METRICS.metric_type).order_by(_METRICS.metric_type).limit(limit)
    return [MetricTypeCount(*row) for row in connection.execute(grouped)]


def lock_some(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, bool]:
    """Those of the metrics that are there, and whether each is deleted; nobody else changes them then."""
    rows = connection.execute(_LOCK_SOME, {"of_tenant": tenant, "ids": ids})
    return {row.metric_id: row.delete_time is not None for row in rows}


def lock_of_user(connection: Connection, tenant: str, user: str) -> list[str]:
    """The ids of all metrics that were stored for a user; nobody else changes them then."""
    return list(connection.scalars(_LOCK_OF_USER, {"of_tenant": tenant, "user": user}))


def lock_of_deletion(connection: Connection, tenant: str, deletion_id: str) -> list[str]:
    """The ids of all metrics that went with a deletion; nobody else changes them then."""
    return list(connection.scalars(_LOCK_OF_DELETION, {"of_tenant": tenant, "deletion": deletion_id}))


def mark(
    connection: Connection, tenant: str, ids: Sequence[str], deletion_id: str | None, at: datetime | None
) -> None:
    """Deletes metrics that are locked; without deletion and instant it restores them."""
    for start in range(0, len(ids), _MARKED_AT_ONCE):
        some = ids[start : start + _MARKED_AT_ONCE]
        of_some = {"of_tenant": tenant, "ids": some, "of_deletion": deletion_id, "at": at}
        connection.execute(_MARK, of_some)


def remove_old(
    connection: Connection, instant: Literal["update_time", "delete_time"], before: datetime, max_count: int
) -> list[tuple[str, str]]:
    """Removes metrics whose instant lies before another; tenant and id of each, in order."""
    rows = _LOCK_OLD[instant].rows(connection, max_count, before=before)
    keys = sorted((row.tenant, row.metric_id) for row in rows)
    if keys:
        _REMOVE.count(connection, keys)
    return keys


def position_of(metric: StoredMetric) -> tuple[Any, ...]:
    """Where the metric stands in a list."""
    return (metric.create_time, metric.metric_id)


def _of_tenant(tenant: str, *columns: ColumnElement[Any], show_deleted: bool = False) -> Select[Any]:
    return both(select(*columns)).shown(show_deleted).where(_METRICS.tenant == tenant)


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
