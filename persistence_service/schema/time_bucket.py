"""The span of time that an instant falls into, in SQL, the same on both databases."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from persistence_service.schema.base import UtcTime


class TimeBucket(ColumnElement[Any]):
    """When the span of `seconds` begins that an instant falls into, counted from 1970 in UTC."""

    inherit_cache = False
    type = UtcTime()

    def __init__(self, instant: ColumnElement[Any], seconds: int) -> None:
        self.instant = instant
        self.seconds = int(seconds)


@compiles(TimeBucket)
def _on_postgresql(element: TimeBucket, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.instant, **options)
    return f"date_bin(interval '{element.seconds} seconds', {column}, timestamptz 'epoch')"


@compiles(TimeBucket, "sqlite")
def _on_sqlite(element: TimeBucket, compiler: SQLCompiler, **options: Any) -> str:
    column, span = compiler.process(element.instant, **options), element.seconds * 1_000_000
    return f"({column} - (({column} % {span}) + {span}) % {span})"  # its `%` has the sign of the column
