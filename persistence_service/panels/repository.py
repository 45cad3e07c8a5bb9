"""Statements over panels."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from consensus_contract.errors import PanelNotFound
from consensus_rpc.errors import InvalidField
from persistence_service.paging.keyset import beyond
from persistence_service.panels.tables import PANELS, REVISIONS
from persistence_service.schema.base import insert
from persistence_service.schema.visibility import both, everything

Row = Mapping[Any, Any]

_OF_PANEL = and_(REVISIONS.c.tenant == PANELS.c.tenant, REVISIONS.c.panel_id == PANELS.c.panel_id)
_WITH_PANEL = both(
    select(
        REVISIONS.c.panel_id,
        REVISIONS.c.revision,
        REVISIONS.c.create_time,
        REVISIONS.c.content,
        PANELS.c.delete_time,
    ).join_from(PANELS, REVISIONS, _OF_PANEL)
).map(lambda statement: statement.where(PANELS.c.tenant == bindparam("tenant")))
_CURRENT = _WITH_PANEL.map(lambda statement: statement.where(REVISIONS.c.revision == PANELS.c.revision))
_OF_ONE = _WITH_PANEL.map(lambda statement: statement.where(PANELS.c.panel_id == bindparam("panel_id")))
_FIND_CURRENT = _CURRENT.map(lambda statement: statement.where(PANELS.c.panel_id == bindparam("panel_id")))
_FIND_REVISION = _OF_ONE.map(
    lambda statement: statement.where(
        REVISIONS.c.revision.startswith(bindparam("prefix"), autoescape=False)
    ).limit(2)
)
_KEY = and_(PANELS.c.tenant == bindparam("of_tenant"), PANELS.c.panel_id == bindparam("of_panel"))
_LOCK = (
    everything(select(PANELS.c.revision, PANELS.c.delete_time), "a deleted panel may be put again")
    .where(_KEY)
    .with_for_update()
)
_SET = (
    everything(update(PANELS), "it is locked")
    .where(_KEY)
    .values(
        revision=bindparam("new_revision"),
        update_time=bindparam("at", type_=PANELS.c.update_time.type),
        delete_time=bindparam("deleted_at", type_=PANELS.c.delete_time.type),
    )
)


def find(
    connection: Connection, tenant: str, panel_id: str, revision: str, *, show_deleted: bool = False
) -> Row:
    """The current revision of a panel, or the one that begins so.

    Raises:
        PanelNotFound: there is no such panel, or none of its revisions begins so.
        InvalidField: several do.
    """
    of_panel = {"tenant": tenant, "panel_id": panel_id}
    if revision:
        found = connection.execute(_FIND_REVISION.shown(show_deleted), of_panel | {"prefix": revision})
    else:
        found = connection.execute(_FIND_CURRENT.shown(show_deleted), of_panel)
    rows = found.mappings().all()
    if not rows:
        raise PanelNotFound(panel_id=panel_id, revision=revision)
    if len(rows) > 1:
        raise InvalidField(field="revision", description="names one revision: several begin so")
    return rows[0]


def page(
    connection: Connection, tenant: str, after: str | None, limit: int, *, show_deleted: bool
) -> Sequence[Row]:
    """Panels by id, each in its current revision."""
    statement = _CURRENT.shown(show_deleted).order_by(PANELS.c.panel_id).limit(limit)
    if after is not None:
        statement = statement.where(beyond([PANELS.c.panel_id], [after]))
    return connection.execute(statement, {"tenant": tenant}).mappings().all()


def page_of_revisions(
    connection: Connection,
    tenant: str,
    panel_id: str,
    after: tuple[datetime, str] | None,
    limit: int,
    *,
    show_deleted: bool,
) -> Sequence[Row]:
    """The revisions of a panel, newest first."""
    order = (REVISIONS.c.create_time, REVISIONS.c.revision)
    statement = _OF_ONE.shown(show_deleted).order_by(*(each.desc() for each in order)).limit(limit)
    if after is not None:
        statement = statement.where(beyond(order, after, descending=True))
    return connection.execute(statement, {"tenant": tenant, "panel_id": panel_id}).mappings().all()


def lock(connection: Connection, tenant: str, panel_id: str) -> Row | None:
    """The panel's own row, deleted or not, locked until the transaction ends."""
    found = connection.execute(_LOCK, {"of_tenant": tenant, "of_panel": panel_id})
    return found.mappings().one_or_none()


def begin(connection: Connection, tenant: str, panel_id: str, revision: str, now: datetime) -> None:
    """Inserts the panel's own row, unless it is there."""
    row = {
        "tenant": tenant,
        "panel_id": panel_id,
        "revision": revision,
        "update_time": now,
        "delete_time": None,
    }
    connection.execute(insert(PANELS).on_conflict_do_nothing(), row)


def add_revision(
    connection: Connection, tenant: str, panel_id: str, revision: str, content: Any, now: datetime
) -> None:
    """Inserts a revision, unless the panel was that before."""
    row = {
        "tenant": tenant,
        "panel_id": panel_id,
        "revision": revision,
        "create_time": now,
        "content": content,
    }
    connection.execute(insert(REVISIONS).on_conflict_do_nothing(), row)


def set_current(
    connection: Connection,
    tenant: str,
    panel_id: str,
    revision: str,
    now: datetime,
    deleted_at: datetime | None,
) -> None:
    """Changes a panel that is locked."""
    parameters = {
        "of_tenant": tenant,
        "of_panel": panel_id,
        "new_revision": revision,
        "at": now,
        "deleted_at": deleted_at,
    }
    connection.execute(_SET, parameters)
