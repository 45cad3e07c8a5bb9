"""Whether JSON data contains other JSON data, in SQL: PostgreSQL's `@>`, and the same for SQLite.

On SQLite a function of this module answers, registered on every connection, so that both databases agree.
"""

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import Boolean, ColumnElement, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from persistence_service.schema.base import Json

SQLITE_FUNCTION = "json_contains"


class JsonContains(ColumnElement[bool]):
    """`whole` contains `part`, as PostgreSQL defines it for objects."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, whole: ColumnElement[Any], part: dict[str, Any]) -> None:
        self.whole = whole
        self.part = bindparam("part", part, type_=Json, unique=True)


@compiles(JsonContains)
def _on_postgresql(element: JsonContains, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.whole, **options)} @> {compiler.process(element.part, **options)})"


@compiles(JsonContains, "sqlite")
def _on_sqlite(element: JsonContains, compiler: SQLCompiler, **options: Any) -> str:
    whole, part = (compiler.process(each, **options) for each in (element.whole, element.part))
    return f"{SQLITE_FUNCTION}({whole}, {part})"


def contains(whole: Any, part: Any) -> bool:
    """The definition: objects by their fields, lists by their entries, all else by equality."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(contains(each, wanted) for each in whole) for wanted in part
        )
    if isinstance(part, bool) or isinstance(whole, bool):
        return whole is part
    return bool(whole == part)


def contains_text(whole: str | None, part: str) -> bool:
    """The function that SQLite calls: both as the column holds them."""
    return whole is not None and contains(json.loads(whole), _parsed(part))


@lru_cache(maxsize=64)
def _parsed(part: str) -> Any:
    return json.loads(part)
