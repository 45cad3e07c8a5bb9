"""Whether JSON data contains other JSON data, in SQL: PostgreSQL's `@>`, and the same for SQLite.

SQLite has no such operator: what is sought is written out as conditions on `json_each`, which the database
evaluates itself, a walk through the row for each value that is sought, and leaves when it is interrupted.
"""

import json
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from persistence_service.schema.base import Json


class JsonContains(ColumnElement[bool]):
    """`whole` contains `part`, as PostgreSQL defines it for objects."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, whole: ColumnElement[Any], part: dict[str, Any]) -> None:
        self.whole = whole
        self.part = part


@compiles(JsonContains)
def _on_postgresql(element: JsonContains, compiler: SQLCompiler, **options: Any) -> str:
    part = bindparam("part", element.part, type_=Json, unique=True)
    return f"({compiler.process(element.whole, **options)} @> {compiler.process(part, **options)})"


@compiles(JsonContains, "sqlite")
def _on_sqlite(element: JsonContains, compiler: SQLCompiler, **options: Any) -> str:
    condition = _matches(func.json_type(element.whole), element.whole, element.part)
    return f"({compiler.process(condition.self_group(), **options)})"


def _matches(kind: ColumnElement[Any], value: ColumnElement[Any], part: Any) -> ColumnElement[bool]:
    """Whether a value of this kind, as `json_each` gives both, contains the part."""
    match part:
        case dict():
            fields = (
                _any_of(_members(kind, value, "object", "{}"), each, name) for name, each in part.items()
            )
            return and_(kind == literal_column("'object'"), *fields)
        case list():
            entries = (_any_of(_members(kind, value, "array", "[]"), each) for each in part)
            return and_(kind == literal_column("'array'"), *entries)
        case None | bool():
            return kind == literal_column(f"'{json.dumps(part)}'")
        case str():
            return and_(kind == literal_column("'text'"), value == literal(part))
        case _:
            # Read by the database from the same digits as the row's, so that equal ones are equal.
            number = func.json_extract(literal(json.dumps(part)), literal_column("'$'"))
            return and_(kind.in_([literal_column("'integer'"), literal_column("'real'")]), value == number)


def _members(
    kind: ColumnElement[Any], value: ColumnElement[Any], container: str, nothing: str
) -> ColumnElement[Any]:
    """What `json_each` is to walk through: nothing where the value is no such container, perhaps no JSON."""
    return case((kind == literal_column(f"'{container}'"), value), else_=literal_column(f"'{nothing}'"))


def _any_of(container: ColumnElement[Any], part: Any, name: str | None = None) -> ColumnElement[bool]:
    """Whether a member of the container, that of this name if there is one, contains the part."""
    member = func.json_each(container).table_valued("key", "value", "type", name=None)
    named = true() if name is None else member.c.key == literal(name)
    found: Select[Any] = (
        select(literal_column("1"))
        .select_from(member)
        .where(named, _matches(member.c.type, member.c.value, part))
    )
    return exists(found)
