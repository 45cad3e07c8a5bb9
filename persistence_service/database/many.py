"""One statement for many rows, and several of them in one round trip: made once, executed as they stand.

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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

_PLACEHOLDER = re.compile(r"%\((\w+)\)s(?:::\w+)?")
_ROW_OF_VALUES = re.compile(r"VALUES (\((?:%\(\w+\)s(?:::\w+)?(?:, )?)+\))")

Rows = Sequence[Mapping[str, Any]]
Statement = Insert | Update
Work = tuple[Statement, Rows]


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

    def parameters(self, rows: Rows) -> list[Any]:
        values = [
            row[name] if process is None else process(row[name])
            for row in rows
            for name, process in self.columns
        ]
        values += self.constants
        return values


_shapes: weakref.WeakKeyDictionary[Statement, _Shape] = weakref.WeakKeyDictionary()


class RowsRefused(Exception):  # noqa: N818 - it says what happened
    """Rows of `statement` broke a constraint; `error` is the database's."""

    def __init__(self, statement: Statement, error: IntegrityError) -> None:
        super().__init__()
        self.statement = statement
        self.error = error


def execute_all(connection: Connection, work: Sequence[Work]) -> None:
    """Executes INSERTs of whole rows and UPDATEs by bound parameters, in their order, each for all its rows.

    What has no rows is left out.

    Raises:
        RowsRefused: rows broke a constraint.
        DBAPIError: as `Connection.execute`.
    """
    work = [(statement, rows) for statement, rows in work if rows]
    if connection.dialect.name == "postgresql":
        _execute_together(connection, work)
        return
    for statement, rows in work:
        try:
            connection.execute(statement, rows)
        except IntegrityError as error:
            raise RowsRefused(statement, error) from error


def _execute_together(connection: Connection, work: Sequence[Work]) -> None:
    shapes = [(_shape_of(statement, connection.dialect), rows) for statement, rows in work]
    if not shapes:
        return
    text = "; ".join(shape.text(len(rows)) for shape, rows in shapes)
    parameters = tuple(value for shape, rows in shapes for value in shape.parameters(rows))
    try:
        connection.exec_driver_sql(text, parameters)
    except IntegrityError as error:
        refused = _table_of(error)
        for statement, _ in work:
            if getattr(statement.table, "name", "") == refused:
                raise RowsRefused(statement, error) from error
        raise


def _table_of(error: IntegrityError) -> str | None:
    """The table whose constraint was broken, as PostgreSQL says it."""
    diagnosis: Any = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "table_name", None)


def _shape_of(statement: Statement, dialect: Dialect) -> _Shape:
    shape = _shapes.get(statement)
    if shape is None:
        shape = _shapes[statement] = _shape(statement, dialect)
    return shape


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
