"""Statements on content keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from persistence_service.content.tables import CONTENT_KEYS
from persistence_service.schema.base import insert


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A content key as it is kept."""

    key_id: str
    wrapped: bytes
    wrapping_key_id: str
    create_time: datetime
    wrap_time: datetime


_ALL = select(*CONTENT_KEYS.columns).order_by(CONTENT_KEYS.c.create_time, CONTENT_KEYS.c.key_id)


def read_keys(connection: Connection) -> Sequence[StoredKey]:
    """All content keys, the newest last."""
    return [
        StoredKey(**{**row, "wrapped": bytes(row["wrapped"])}) for row in connection.execute(_ALL).mappings()
    ]


def add_key(connection: Connection, key: StoredKey) -> None:
    """Stores a new one."""
    connection.execute(
        insert(CONTENT_KEYS),
        {
            "key_id": key.key_id,
            "wrapped": key.wrapped,
            "wrapping_key_id": key.wrapping_key_id,
            "create_time": key.create_time,
            "wrap_time": key.wrap_time,
        },
    )


def rewrap_key(connection: Connection, old: StoredKey, wrapped: bytes, by: str, now: datetime) -> None:
    """Stores the same key under another wrapping, unless somebody else has done so meanwhile."""
    connection.execute(
        update(CONTENT_KEYS)
        .where(CONTENT_KEYS.c.key_id == old.key_id, CONTENT_KEYS.c.wrapping_key_id == old.wrapping_key_id)
        .values(wrapped=wrapped, wrapping_key_id=by, wrap_time=now)
    )
