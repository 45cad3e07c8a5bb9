"""An instant moved by a span that stands in a column, in SQL, the same on both databases."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from persistence_service.schema.base import UtcTime


class Later(ColumnElement[Any]):
    """The instant so many microseconds after `instant`."""

    inherit_cache = False
    type = UtcTime()

    def __init__(self, instant: ColumnElement[Any], microseconds: ColumnElement[Any]) -> None:
        self.instant = instant
        self.microseconds = microseconds


@compiles(Later)
def _on_postgresql(element: Later, compiler: SQLCompiler, **options: Any) -> str:
    instant, span = (compiler.process(each, **options) for each in (element.instant, element.microseconds))
    return f"({instant} + ({span}) * interval '1 microsecond')"


@compiles(Later, "sqlite")
def _on_sqlite(element: Later, compiler: SQLCompiler, **options: Any) -> str:
    instant, span = (compiler.process(each, **options) for each in (element.instant, element.microseconds))
    return f"({instant} + ({span}))"
