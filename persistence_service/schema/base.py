"""What every table is made of: the naming convention, the column types, and the base of all tables.

Primary keys are `(tenant, id)`. Every type here means the same on PostgreSQL and SQLite, so that comparing
and ordering in SQL agree with Python.
"""

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from persistence_service.schema.scalars import from_microseconds, microseconds

__all__ = [
    "CLOCK",
    "DIGEST_BYTES",
    "Base",
    "Digest",
    "Identifier",
    "Json",
    "TenThousandths",
    "UtcTime",
    "core_table",
    "deletion_indexes",
    "index_of_present",
    "insert",
    "metadata",
    "sqlite_clock",
    "text_column",
]

# `insert` is PostgreSQL's, and compiles for SQLite as well: ON CONFLICT and RETURNING are alike on both.

DIGEST_BYTES = 32

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Base(DeclarativeBase):
    """Base of every mapped table; `Run.__table__` is the Core table for the hot paths."""

    metadata = metadata


def core_table(row: type[Base]) -> Table:
    """The Core table of a mapped class, which its own attribute's type does not promise."""
    assert isinstance(row.__table__, Table)
    return row.__table__


def index_of_present(name: str, *columns: str, present: str) -> Index:
    """An index of the rows in which the column `present` has a value."""
    condition = text(f"{present} IS NOT NULL")
    return Index(name, *columns, postgresql_where=condition, sqlite_where=condition)


def deletion_indexes(table: str) -> tuple[Index, Index]:
    """What finds the rows that were deleted long ago, and those that went with one deletion."""
    return (
        index_of_present(f"ix_{table}_delete_time", "delete_time", present="delete_time"),
        index_of_present(f"ix_{table}_deletion", "tenant", "deletion_id", present="deletion_id"),
    )


def text_column(length: int) -> String:
    """Text of at most `length` characters, ordered by code point on both databases.

    On PostgreSQL its collation is C, so that the database's ORDER BY, Python's `sorted` (which decides the
    order of locks) and SQLite agree whatever the server's locale.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


Identifier = text_column(64)
"""A tenant or an id."""

TenThousandths = Integer
"""A score or weight as an integer: 0.8123 is 8123."""

Json: TypeEngine[Any] = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON data (JSONB on PostgreSQL); None is SQL NULL."""


class UtcTime(TypeDecorator[datetime]):
    """An instant in microseconds: an aware `datetime`, always read back in UTC.

    `timestamptz` on PostgreSQL; microseconds since 1970 as an integer on SQLite.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """BIGINT on SQLite."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What the driver gets.

        Raises:
            ValueError: for a datetime without a timezone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a timezone")
        return microseconds(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """What the caller gets."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return from_microseconds(value)
        instant: datetime = value
        return instant.astimezone(UTC)


CLOCK = func.clock_timestamp(type_=UtcTime)
"""The database's clock as a part of a statement; on SQLite the host's, by a function of every connection."""


def sqlite_clock() -> int:
    """What SQLite calls for `CLOCK`: microseconds since 1970."""
    return time.time_ns() // 1000


class Digest(TypeDecorator[bytes]):
    """A SHA-256: exactly 32 bytes."""

    impl = LargeBinary(DIGEST_BYTES)
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:  # noqa: ARG002 - overrides
        """What the driver gets.

        Raises:
            ValueError: for another length.
        """
        if value is not None and len(value) != DIGEST_BYTES:
            raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(value)}")
        return value
