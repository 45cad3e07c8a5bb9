"""Rows that are valid and say nothing: a value for every column that must have one."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Integer, LargeBinary, String, Table

from persistence_service.schema.base import Digest, UtcTime
from persistence_service.schema.sealed import SealedText

SOMETHING = (
    (UtcTime, datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)),
    (Digest, bytes(32)),
    (SealedText, "x"),
    (LargeBinary, b""),
    (Boolean, False),
    (Integer, 1),
    (String, "x"),
)


def any_row(table: Table, **given: Any) -> dict[str, Any]:
    """A row with the given values, and something where NULL may not stand."""
    needed = {column.name: _value(column.type) for column in table.columns if not column.nullable}
    return needed | given


def _value(kind: Any) -> Any:
    return next((value for each, value in SOMETHING if isinstance(kind, each)), {})
