"""One statement for many rows: made once, executed as it stands.

SQLAlchemy makes such a statement anew for every number of rows, and sends as many updates as there are
rows; on PostgreSQL both cost more than the rows themselves. Here the statement is compiled once, and its
row of placeholders repeated: `INSERT … VALUES (…), (…)`, and `UPDATE … FROM (VALUES (…), (…))`. Updates lock
in no order of their own, so the rows must be locked already. SQLite prepares once and runs per row, which is
cheap where there is no round trip.
"""

import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, String, Update
from sqlalchemy.types import TypeEngine

_PLACEHOLDER = re.compile(r"%\((\w+)\)s(?:::\w+)?")
_ROW_OF_VALUES = re.compile(r"VALUES (\((?:%\(\w+\)s(?:::\w+)?(?:, )?)+\))")

Rows = Sequence[Mapping[str, Any]]
Statement = Insert | Update


@dataclass(frozen=True, slots=True)
class _Shape:
    """A statement around its rows; `columns` are the values of a row in order, with what the driver needs."""

    before: str
    row: str
    after: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    constants: tuple[Any, ...]
    """What the statement itself binds, after its rows."""

    def text(self, count: int) -> str:
        return self.before + ", ".join([self.row] * count) + self.after

    def parameters(self, rows: Rows) -> tuple[Any, ...]:
        values = [
            row[name] if process is None else process(row[name])
            for row in rows
            for name, process in self.columns
        ]
        return (*values, *self.constants)


_shapes: weakref.WeakKeyDictionary[Statement, _Shape] = weakref.WeakKeyDictionary()


def execute_many(connection: Connection, statement: Statement, rows: Rows) -> None:
    """Executes an INSERT of whole rows, or an UPDATE by bound parameters, for each of `rows` (at least one).

    Raises:
        DBAPIError: as `Connection.execute`.
    """
    if connection.dialect.name != "postgresql":
        connection.execute(statement, rows)
        return
    shape = _shapes.get(statement)
    if shape is None:
        shape = _shapes[statement] = _shape(statement, connection.dialect)
    connection.exec_driver_sql(shape.text(len(rows)), shape.parameters(rows))


def _shape(statement: Statement, dialect: Dialect) -> _Shape:
    compiled: Any = statement.compile(dialect=dialect)
    if isinstance(statement, Insert):
        before, row, after = _around_values(compiled.string)
    else:
        before, row, after = _from_values(compiled, dialect)
    names = _PLACEHOLDER.findall(row)
    columns = tuple((name, _processor(compiled.binds[name].type, dialect)) for name in names)
    constants = tuple(compiled.params[name] for name in _PLACEHOLDER.findall(after))
    return _Shape(before, _plain(row), _plain(after), columns, constants)


def _plain(text: str) -> str:
    """The text with its named placeholders as nameless ones; casts stay."""
    return _PLACEHOLDER.sub(lambda found: found[0].replace(f"({found[1]})", ""), text)


def _around_values(text: str) -> tuple[str, str, str]:
    found = _ROW_OF_VALUES.search(text)
    assert found is not None, "an insert of whole rows"
    return text[: found.start(1)], found[1], text[found.end() :]


def _from_values(compiled: Any, dialect: Dialect) -> tuple[str, str, str]:
    """`UPDATE t SET a=%(x)s WHERE t.b = %(y)s` as one that takes x and y from a list of rows."""
    text: str = compiled.string
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    types = {name: _sql_type(compiled.binds[name].type, dialect) for name in names}
    text = _PLACEHOLDER.sub(lambda found: f"CAST(given.{found[1]} AS {types[found[1]]})", text)
    head, where, condition = text.partition(" WHERE ")
    assert where, "an update of certain rows"
    row = "(" + ", ".join(f"%({name})s" for name in names) + ")"
    return f"{head} FROM (VALUES ", row, f") AS given ({', '.join(names)}){where}{condition}"


def _sql_type(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """The type to which a value of the list is cast. Not VARCHAR(n): that would cut what is too long."""
    return "TEXT" if isinstance(kind, String) else kind.compile(dialect=dialect)


def _processor(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    processor: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return processor
