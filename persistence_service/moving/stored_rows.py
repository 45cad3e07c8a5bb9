"""Rows in the form in which they are stored, as JSON values: alike on both databases, nothing unsealed."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    select,
    type_coerce,
)
from sqlalchemy.types import JSON, TypeEngine

from persistence_service.schema.base import UtcTime
from persistence_service.schema.scalars import from_microseconds, microseconds
from persistence_service.schema.sealed import ContentColumn
from persistence_service.schema.visibility import everything
from persistence_service.tables import metadata

Values = list[Any]

_WITHOUT = frozenset({"tenant_moves"})
# Rows of content may have megabytes each, the others have some hundred bytes.
_ROWS_AT_ONCE = 500
_CONTENT_ROWS_AT_ONCE = 10
_DIGESTS = 1 << 256


@cache
def tables_of_tenants() -> Sequence[Table]:
    """All tables with rows of a tenant; first those whose rows others are kept for."""
    first = ("runs", "drafts")
    names = [name for name, table in metadata.tables.items() if "tenant" in table.columns]
    return [metadata.tables[name] for name in (*first, *sorted(set(names) - _WITHOUT - set(first)))]


@cache
def stored_table(table: Table) -> Table:
    """The table without what seals and opens: JSON is text, content is what the database has."""
    return Table(
        table.name, MetaData(), *(Column(each.name, _stored_type(each.type)) for each in table.columns)
    )


@dataclass(slots=True)
class TableSum:
    """How many rows there are, and a digest of all of them, in whatever order."""

    count: int = 0
    total: int = 0

    def add(self, table: Table, values: Values) -> None:
        """Adds a row."""
        self.count += 1
        said = json.dumps([table.name, _canonical(table, values)], ensure_ascii=False, separators=(",", ":"))
        self.total = (self.total + int.from_bytes(hashlib.sha256(said.encode()).digest())) % _DIGESTS

    @property
    def digest(self) -> str:
        """The digest, in hexadecimal."""
        return self.total.to_bytes(32).hex()


def content_digest(sums: Mapping[str, TableSum]) -> bytes:
    """One digest of all tables."""
    said = sorted((name, each.count, each.digest) for name, each in sums.items())
    return hashlib.sha256(json.dumps(said).encode()).digest()


def read_rows(connection: Connection, table: Table, tenant: str) -> Iterator[Values]:
    """A tenant's rows of a table, a few at a time, in the order of their keys."""
    has_content = any(isinstance(each.type, ContentColumn) for each in table.columns)
    at_once = _CONTENT_ROWS_AT_ONCE if has_content else _ROWS_AT_ONCE
    options = {"stream_results": True, "yield_per": at_once}
    with connection.execute(_statement(table), {"tenant": tenant}, execution_options=options) as rows:
        for row in rows:
            yield [_given(value) for value in row]


def row_of(table: Table, values: Values) -> dict[str, Any]:
    """What is inserted into the `stored_table`.

    Raises:
        ValueError: the values are none of this table.
    """
    if len(values) != len(table.columns):
        raise ValueError(f"a row of {table.name} has {len(table.columns)} values")
    return {column.name: _taken(column, value) for column, value in zip(table.columns, values, strict=True)}


def sealing_key_ids(table: Table, values: Values) -> Iterator[str]:
    """The ids of the content keys that a row is sealed with."""
    for column, value in zip(table.columns, values, strict=True):
        if isinstance(column.type, ContentColumn) and value is not None:
            sealed = column.type.sealed_text(_as_read(column, value))
            if sealed is not None:
                yield sealed.partition(":")[0]


@cache
def _statement(table: Table) -> Select[Any]:
    stored = select(*map(_selected, table.columns)).where(table.c.tenant == bindparam("tenant"))
    return everything(stored.order_by(*table.primary_key), "what is deleted can be restored where it arrives")


def _selected(column: Column[Any]) -> Any:
    if _is_json(column.type):
        return cast(column, Text).label(column.name)
    return type_coerce(column, _stored_type(column.type)).label(column.name)


def _stored_type(kind: TypeEngine[Any]) -> Any:
    if _is_json(kind):
        return Text()
    return kind.impl if isinstance(kind, ContentColumn) else kind


def _is_json(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind.impl if isinstance(kind, ContentColumn) else kind, JSON)


def _given(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return microseconds(value) if hasattr(value, "tzinfo") else value


def _taken(column: Column[Any], value: Any) -> Any:
    """As the database has it."""
    if value is None:
        return None
    if isinstance(column.type, UtcTime):
        return from_microseconds(value)
    stored = _stored_type(column.type)
    return base64.b64decode(value) if _is_binary(stored) else value


def _is_binary(kind: Any) -> bool:
    return isinstance(getattr(kind, "impl", kind), LargeBinary) or isinstance(kind, LargeBinary)


def _as_read(column: Column[Any], value: Any) -> Any:
    """A stored value as its column's own type reads it: JSON data, text or bytes."""
    return json.loads(value) if _is_json(column.type) else _taken(column, value)


def _canonical(table: Table, values: Values) -> Values:
    """The same for the same data: databases write JSON with other spaces, orders and forms of numbers."""
    return [
        _sorted(value) if value is not None and _is_json(column.type) else value
        for column, value in zip(table.columns, values, strict=True)
    ]


def _sorted(text: str) -> str:
    data = json.loads(text, parse_float=_number, parse_int=_number)
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _number(text: str) -> str:
    """No text of the contract holds the character that it begins with."""
    number = Decimal(text)
    return f"\0{number.normalize() if number else 0}"
