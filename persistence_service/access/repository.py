"""Statements over access keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from consensus_contract.errors import AccessKeyNotFound
from consensus_rpc.server.identity import UserBound
from persistence_service.access.tables import KEYS
from persistence_service.database.admission import UNREAD
from persistence_service.paging.keyset import beyond
from persistence_service.schema.base import insert

Row = Mapping[Any, Any]

USE_GRAIN = timedelta(hours=1)
"""How coarse the time of the last use is: one write an hour for each key."""

# The keys of a tenant that was moved away are good where it is, and may have been ended there since.
_BY_ID = select(*KEYS.c, KEYS.c.tenant.in_(UNREAD).label("is_elsewhere")).where(
    KEYS.c.key_id == bindparam("key_id")
)
_ONE = and_(KEYS.c.tenant == bindparam("of_tenant"), KEYS.c.key_id == bindparam("of_key"))
_LOCK = select(*KEYS.c).where(_ONE).with_for_update()
_OF_TENANT = select(*KEYS.c).where(KEYS.c.tenant == bindparam("of_tenant"))
_REVOKE = update(KEYS).where(_ONE).values(revoke_time=bindparam("at", type_=KEYS.c.revoke_time.type))
_EXPIRE = update(KEYS).where(_ONE).values(expire_time=bindparam("at", type_=KEYS.c.expire_time.type))
_USED = (
    update(KEYS)
    .where(
        _ONE,
        or_(
            KEYS.c.last_use_time.is_(None),
            KEYS.c.last_use_time < bindparam("before", type_=KEYS.c.last_use_time.type),
        ),
    )
    .values(last_use_time=bindparam("at", type_=KEYS.c.last_use_time.type))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is to be kept."""

    tenant: str
    key_id: str
    secret_digest: bytes
    subject: str
    roles: Sequence[str]
    users: UserBound
    note: str
    creator: str
    expire_time: datetime | None


def find(connection: Connection, key_id: str) -> Row | None:
    """A key of whichever tenant; `is_elsewhere` says that the tenant is not served here."""
    return connection.execute(_BY_ID, {"key_id": key_id}).mappings().one_or_none()


def lock(connection: Connection, tenant: str, key_id: str) -> Row:
    """A key of the tenant, locked until the transaction ends.

    Raises:
        AccessKeyNotFound: the tenant has none such.
    """
    found = connection.execute(_LOCK, {"of_tenant": tenant, "of_key": key_id}).mappings().one_or_none()
    if found is None:
        raise AccessKeyNotFound(key_id=key_id)
    return found


def page(
    connection: Connection, tenant: str, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Row]:
    """The tenant's keys, newest first."""
    order = (KEYS.c.create_time, KEYS.c.key_id)
    statement = _OF_TENANT.order_by(*(each.desc() for each in order)).limit(limit)
    if after is not None:
        statement = statement.where(beyond(order, after, descending=True))
    return connection.execute(statement, {"of_tenant": tenant}).mappings().all()


def add(connection: Connection, key: NewKey, now: datetime) -> Row:
    """Keeps a new key; what is kept of it."""
    row = {
        "tenant": key.tenant,
        "key_id": key.key_id,
        "secret_digest": key.secret_digest,
        "subject": key.subject,
        "roles": " ".join(key.roles),
        "bound_user": key.users.user,
        "bound_prefix": key.users.prefix,
        "note": key.note,
        "creator": key.creator,
        "create_time": now,
        "expire_time": key.expire_time,
        "revoke_time": None,
        "last_use_time": None,
    }
    connection.execute(insert(KEYS), row)
    return row


def revoke(connection: Connection, tenant: str, key_id: str, now: datetime) -> None:
    """Ends a key that is locked."""
    connection.execute(_REVOKE, {"of_tenant": tenant, "of_key": key_id, "at": now})


def expire(connection: Connection, tenant: str, key_id: str, at: datetime) -> None:
    """Says from when on a key that is locked is refused."""
    connection.execute(_EXPIRE, {"of_tenant": tenant, "of_key": key_id, "at": at})


def used(connection: Connection, tenant: str, key_id: str, now: datetime) -> None:
    """Takes note of a use, unless one was noted within the hour."""
    parameters = {"of_tenant": tenant, "of_key": key_id, "at": now, "before": now - USE_GRAIN}
    connection.execute(_USED, parameters)
