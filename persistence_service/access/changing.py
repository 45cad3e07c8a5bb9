"""Changes to access keys, each with its entry in the audit trail. No secret comes here."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from consensus_contract.errors import AccessKeyEnded
from persistence_service.access import convert, repository
from persistence_service.access.denied import security_stream
from persistence_service.access.repository import NewKey, Row
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import Actor, NewEntry

CREATED, ROTATED, REVOKED = "key.created", "key.rotated", "key.revoked"


def create(clock: DatabaseClock, connection: Connection, key: NewKey, actor: Actor, now: datetime) -> Row:
    """Keeps a new key."""
    row = repository.add(connection, key, now)
    _enter(clock, connection, row, CREATED, actor, {"roles": row["roles"], "subject": row["subject"]})
    return row


def rotate(
    clock: DatabaseClock,
    connection: Connection,
    old: Row,
    key: NewKey,
    overlap: timedelta,
    actor: Actor,
    now: datetime,
) -> tuple[Row, Row]:
    """Keeps a key in the place of one that is locked, and says when that one ends; both.

    Raises:
        AccessKeyEnded: it has ended.
    """
    tenant, key_id = old["tenant"], old["key_id"]
    if convert.is_ended(old, now):
        raise AccessKeyEnded(key_id=key_id)
    ends = min(now + overlap, old["expire_time"] or datetime.max.replace(tzinfo=now.tzinfo))
    repository.expire(connection, tenant, key_id, ends)
    row = repository.add(connection, key, now)
    _enter(clock, connection, row, ROTATED, actor, {"replaces": key_id, "subject": row["subject"]})
    return row, {**old, "expire_time": ends}


def revoke(
    clock: DatabaseClock, connection: Connection, tenant: str, key_id: str, actor: Actor, now: datetime
) -> Row:
    """Ends a key; one that was revoked stays as it is.

    Raises:
        AccessKeyNotFound: the tenant has none such.
    """
    row = repository.lock(connection, tenant, key_id)
    if row["revoke_time"] is not None:
        return row
    repository.revoke(connection, tenant, key_id, now)
    _enter(clock, connection, row, REVOKED, actor, {"subject": row["subject"]})
    return {**row, "revoke_time": now}


def _enter(
    clock: DatabaseClock,
    connection: Connection,
    row: Row,
    event_type: str,
    actor: Actor,
    data: dict[str, str],
) -> None:
    entry = NewEntry(event_type, {"key_id": row["key_id"], **data})
    append(connection, row["tenant"], security_stream(row["tenant"]), [entry], actor, clock)
