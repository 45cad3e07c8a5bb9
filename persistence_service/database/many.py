"""Statements for many rows, several in one round trip: made and shaped at start, executed as they stand.

On PostgreSQL a statement takes all its rows as one parameter, a list of JSON objects: `INSERT … SELECT …
FROM json_to_recordset(…)`, and `UPDATE … FROM (… json_to_recordset(…) …)`. Rows as lists of values cost the
driver seven times and the server half as much again: every value is quoted, parsed and planned by itself.
Updates lock in no order of their own, so the rows must be locked already. SQLite prepares once and runs per
row, which is cheap where there is no round trip.

Where the database is distributed there is one for each tenant's rows, still in one round trip; an update
names the tenant beside its rows, since whoever plans it does not look into these.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect, Insert, String, Table, Update
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from persistence_service.database.partitions import table_of
from persistence_service.database.tenants import by_tenant, is_distributed
from persistence_service.schema.sealed import ContentColumn

_PLACEHOLDER = re.compile(r"%\((\w+)\)s(?:::\w+)?")
_WHERE = re.compile(r"\sWHERE\s")
_ROW_OF_VALUES = re.compile(r"VALUES \(((?:%\(\w+\)s(?:::\w+)?(?:, )?)+)\)")
_POSTGRESQL: Dialect = psycopg2.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A statement whose first parameter is its rows, followed by the `constants` that it binds itself.

    `is_joined`: the second is how many rows there are.
    """

    text: str
    constants: tuple[Any, ...]
    is_joined: bool

    def parameters(self, rows: Rows) -> tuple[Any, ...]:
        """What the driver is given with the text."""
        given = orjson.dumps(rows, default=_json_value).decode()
        return (given, len(rows), *self.constants) if self.is_joined else (given, *self.constants)


class ForRows:
    """A statement to be executed for many rows.

    An INSERT of whole rows, or an UPDATE by bound parameters. Its shape is taken from the text that
    SQLAlchemy makes of it: a text of another form is refused here, when the module that holds the statement
    is imported, and not in a batch.
    """

    __slots__ = ("_content", "shape", "statement", "table", "tenant")

    def __init__(self, statement: Insert | Update, tenant: str = "tenant") -> None:
        """`tenant` is the parameter that has a row's tenant. Raises ValueError for any other statement."""
        assert isinstance(statement.table, Table)
        self.statement = statement
        self.table = statement.table
        self.tenant = tenant
        self.shape = shape_of(statement, _POSTGRESQL)
        self._content = content_of(statement, _POSTGRESQL)

    def parameters(self, rows: Rows, dialect: Dialect) -> tuple[Any, ...]:
        """What PostgreSQL's driver is given with the text, content sealed where it is to be."""
        for name, column in self._content:
            rows = [{**row, name: column.process_bind_param(row[name], dialect)} for row in rows]
        return self.shape.parameters(rows)

    def text_for(self, tenant: str | None) -> str:
        """What PostgreSQL's driver is given: for all rows, or for those of a tenant."""
        is_named = tenant is not None and self.shape.is_joined
        return f"{self.shape.text} AND {self.table.name}.tenant = %s" if is_named else self.shape.text


Work = tuple[ForRows, Rows]


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement with the rows of all tenants, or of one."""

    statement: ForRows
    rows: Rows
    tenant: str | None = None

    @property
    def text(self) -> str:
        return self.statement.text_for(self.tenant)

    def parameters(self, dialect: Dialect) -> tuple[Any, ...]:
        given = self.statement.parameters(self.rows, dialect)
        return (*given, self.tenant) if self.tenant and self.statement.shape.is_joined else given


class RowsRefused(Exception):  # noqa: N818 - it says what happened
    """Rows of `statement` broke a constraint; `error` is the database's."""

    def __init__(self, statement: ForRows, error: IntegrityError) -> None:
        super().__init__()
        self.statement = statement
        self.error = error


def execute_all(connection: Connection, work: Sequence[Work]) -> int:
    """Executes the statements in their order, each for all its rows; those without rows are left out.

    Answers how many rows the last one inserted or changed.

    Raises:
        RowsRefused: rows broke a constraint.
        DBAPIError: as `Connection.execute`.
    """
    work = [(statement, rows) for statement, rows in work if rows]
    if connection.dialect.name == "postgresql":
        if is_distributed(connection):
            return _execute_apart(connection, work)
        return _execute_together(connection, [_Part(statement, rows) for statement, rows in work])
    count = 0
    for statement, rows in work:
        try:
            count = connection.execute(statement.statement, rows).rowcount
        except IntegrityError as error:
            raise RowsRefused(statement, error) from error
    return count


def _execute_apart(connection: Connection, work: Sequence[Work]) -> int:
    """As `execute_all`. The driver tells a count of the newest statement alone: those of one for several
    tenants, if it is the last, go in a round trip each.
    """
    parts = [list(_by_tenant(statement, rows)) for statement, rows in work]
    last = parts.pop() if parts else []
    first = [each for several in parts for each in several]
    count = _execute_together(connection, [*first, *last[:1]])
    return count + sum(_execute_together(connection, [each]) for each in last[1:])


def _by_tenant(statement: ForRows, rows: Rows) -> Iterator[_Part]:
    for tenant, some in by_tenant(rows, itemgetter(statement.tenant)):
        yield _Part(statement, some, tenant)


def _execute_together(connection: Connection, parts: Sequence[_Part]) -> int:
    if not parts:
        return 0
    text = "; ".join(each.text for each in parts)
    dialect = connection.dialect
    parameters = tuple(value for each in parts for value in each.parameters(dialect))
    try:
        return connection.exec_driver_sql(text, parameters).rowcount
    except IntegrityError as error:
        refused = _table_of(error)
        for each in parts:
            if each.statement.table.name == refused:
                raise RowsRefused(each.statement, error) from error
        raise


def _table_of(error: IntegrityError) -> str | None:
    """The table whose constraint was broken, where PostgreSQL may say which of its partitions."""
    diagnosis: Any = getattr(error.orig, "diag", None)
    name = getattr(diagnosis, "table_name", None)
    return None if name is None else table_of(name)


def _json_value(value: object) -> str:
    """What JSON cannot say, as PostgreSQL reads it from a text; instants orjson writes itself."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"no row holds a {type(value).__name__}")


def shape_of(statement: Insert | Update, dialect: Dialect) -> Shape:
    """The statement as PostgreSQL is to be given it.

    Raises:
        ValueError: its text has none of the two forms that are known.
    """
    compiled: Any = statement.compile(dialect=dialect)
    is_joined = isinstance(statement, Update)
    if is_joined:
        before, names, after = _around_condition(compiled.string)
        # PostgreSQL takes a function to give a hundred rows, for which it reads tables of some thousand rows
        # from end to end rather than look a few up; it believes a limit.
        source = f" FROM (SELECT * FROM {_records(names, compiled, dialect)} LIMIT %s) AS given"  # noqa: S608 - columns
    else:
        before, names, after = _around_values(compiled.string)
        source = f"SELECT {', '.join(names)} FROM {_records(names, compiled, dialect)}"  # noqa: S608 - columns
    bound = _PLACEHOLDER.findall(after)
    constants = tuple(compiled.params[name] for name in bound)
    shape = Shape(before + source + _PLACEHOLDER.sub("%s", after), constants, is_joined)
    if shape.text.count("%") != len(shape.parameters(())):
        raise ValueError(f"parameters are left in {shape.text}")
    return shape


def content_of(statement: Insert | Update, dialect: Dialect) -> list[tuple[str, ContentColumn]]:
    """The parameters that are content, with their columns."""
    compiled: Any = statement.compile(dialect=dialect)
    binds = ((name, bind.type) for name, bind in compiled.binds.items())
    return [(name, kind) for name, kind in binds if isinstance(kind, ContentColumn)]


def _around_values(text: str) -> tuple[str, list[str], str]:
    """`INSERT INTO t (x, y) VALUES (%(x)s, %(y)s) …` without its row, which names the columns."""
    found = _ROW_OF_VALUES.search(text)
    if found is None:
        raise ValueError(f"no row of values in {text}")
    return text[: found.start()], _PLACEHOLDER.findall(found[1]), text[found.end() :]


def _around_condition(text: str) -> tuple[str, list[str], str]:
    """`UPDATE t SET a=%(x)s WHERE t.b = %(y)s` as one that takes x and y from what is `given`."""
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    parts = _WHERE.split(_PLACEHOLDER.sub(r"given.\1", text), maxsplit=1)
    if len(parts) == 1:
        raise ValueError(f"no condition in {text}")
    return parts[0], names, f" WHERE {parts[1]}"


def _records(names: Sequence[str], compiled: Any, dialect: Dialect) -> str:
    columns = (f"{name} {_sql_type(compiled.binds[name].type, dialect)}" for name in names)
    return f"json_to_recordset(%s) AS given({', '.join(columns)})"


def _sql_type(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """The type of a value in the list. Not VARCHAR(n): that would cut what is too long."""
    return "TEXT" if isinstance(kind, String) else kind.compile(dialect=dialect)
