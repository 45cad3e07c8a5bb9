"""The rule of a database that is distributed by tenant: what locks or writes content names one tenant.

It looks at statements as they are sent: by what SQLAlchemy compiled them from, or by their text where they
were shaped at start. Of the tables that each server has whole it says nothing.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Delete, Engine, Insert, Select, Table, Update, event
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseElement,
    Grouping,
    Tuple,
)
from sqlalchemy.sql.expression import Alias, FromClause, Join

from persistence_service.database.tenants import is_distributed
from persistence_service.tables import DISTRIBUTED_TABLES

TENANT = "tenant"
LOCK = "LOCK"

Parameters = Mapping[str, Any]
Place = tuple[str, str]
"""A column, by the name of its table or alias."""

_PART = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|MERGE INTO)\s+(\w+)")
_LOCKS = re.compile(r"\bFOR (NO KEY )?(UPDATE|SHARE|KEY SHARE)\b")
_SHAPED = "json_to_recordset(%s)"
_NAMES_OF_TENANT = (TENANT, "of_tenant", "new_tenant")


@dataclass(frozen=True, slots=True)
class Named:
    """What a statement does to a table, and the tenants that it names; None: no tenant at all."""

    verb: str
    table: str
    tenants: frozenset[str] | None
    text: str

    @property
    def is_of_one(self) -> bool:
        """Whether it names exactly one."""
        return self.tenants is not None and len(self.tenants) == 1


@dataclass(slots=True)
class Watched:
    """What was sent."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By verb and table."""
    faults: list[Named] = field(default_factory=list)

    def take(self, found: Iterable[Named]) -> None:
        for each in found:
            self.sent[each.verb, each.table] += 1
            if not each.is_of_one:
                self.faults.append(each)


@contextmanager
def watched() -> Iterator[Watched]:
    """Looks at all that the service, and no test, sends to databases that are distributed."""
    found = Watched()

    def look(
        connection: Connection, _cursor: Any, text: str, parameters: Any, context: Any, _many: bool
    ) -> None:
        if is_distributed(connection) and _is_the_services_own():
            compiled = context.compiled
            if compiled is None:
                found.take(named_in_text(text, parameters))
            else:
                found.take(named(compiled, context.compiled_parameters, text))

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def _is_the_services_own() -> bool:
    """Whether the code that asked SQLAlchemy for a statement is the service's."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "/sqlalchemy/" in frame.f_code.co_filename:
        frame = frame.f_back
    return "/persistence_service/" in frame.f_code.co_filename


# Statements that were compiled.


def named(compiled: Any, sets: Sequence[Parameters], text: str) -> Iterator[Named]:
    """The tenants that each execution of a statement names, by table that it locks or writes."""
    statement: Any = compiled.statement
    table: str = getattr(getattr(statement, "table", None), "name", "")
    if table in DISTRIBUTED_TABLES:
        yield from (Named(*verb, text) for verb in _written(compiled, table, sets, text))
    for select in _selects(statement):
        for parameters in sets:
            yield from _locked(compiled, select, parameters, text)


def _written(
    compiled: Any, table: str, sets: Sequence[Parameters], text: str
) -> Iterator[tuple[str, str, frozenset[str] | None]]:
    """What is done to the statement's own table, and the tenants: rows that are inserted count together."""
    statement: Any = compiled.statement
    if isinstance(statement, Update | Delete):
        verb = "UPDATE" if isinstance(statement, Update) else "DELETE"
        for parameters in sets:
            yield verb, table, _pins(compiled, statement._where_criteria, parameters).get((table, TENANT))
    elif isinstance(statement, Insert):
        if statement.select is None:
            tenants = frozenset(_tenants_of_rows(sets)) or None
        else:
            (parameters,) = sets
            tenants = _of_selected(compiled, parameters)
        yield "INSERT", table, tenants
        if "DO UPDATE" in text:
            yield "UPDATE", table, tenants


def _selects(statement: Any) -> Iterator[Select[Any]]:
    """The statement, if it is one, and all within it, that lock rows."""
    for each in visitors.iterate(statement):
        if isinstance(each, Select) and each._for_update_arg is not None:
            yield each


def _locked(compiled: Any, select: Select[Any], parameters: Parameters, text: str) -> Iterator[Named]:
    sources = [leaf for source in select.get_final_froms() for leaf in _leaves(source)]
    pins = _pins(compiled, _conditions(select), parameters)
    of = select._for_update_arg.of if select._for_update_arg is not None else None
    names = {table.name for table in of or () if isinstance(table, Table)}
    for source in sources:
        if _table_name(source) in DISTRIBUTED_TABLES and (not names or source.name in names):
            yield Named(LOCK, _table_name(source), pins.get((source.name, TENANT)), text)


def _of_selected(compiled: Any, parameters: Parameters) -> frozenset[str] | None:
    """The tenants of rows that are inserted as they are selected."""
    statement: Insert = compiled.statement
    select: Any = statement.select
    names = [getattr(each, "name", each) for each in statement._select_names or ()]
    column = list(select.selected_columns)[names.index(TENANT)]
    return _pins(compiled, _conditions(select), parameters).get((column.table.name, TENANT))


def _conditions(select: Select[Any]) -> list[ClauseElement]:
    joins = [source for source in select.get_final_froms() if isinstance(source, Join)]
    return [*select._where_criteria, *(on for join in joins for on in _on_clauses(join))]


def _on_clauses(join: Join) -> Iterator[ClauseElement]:
    if join.onclause is not None:
        yield join.onclause
    for side in (join.left, join.right):
        if isinstance(side, Join):
            yield from _on_clauses(side)


def _leaves(source: FromClause) -> Iterator[Any]:
    if isinstance(source, Join):
        yield from _leaves(source.left)
        yield from _leaves(source.right)
    else:
        yield source


def _table_name(source: Any) -> str:
    while isinstance(source, Alias):
        source = source.element
    return source.name if isinstance(source, Table) else ""


def _pins(
    compiled: Any, conditions: Iterable[ClauseElement], parameters: Parameters
) -> dict[Place, frozenset[str]]:
    """The values that columns are held to by conditions that all hold, those of joined columns too."""
    found: dict[Place, frozenset[str]] = {}
    compared = [each for each in _conjuncts(conditions) if isinstance(each, BinaryExpression)]
    for each in compared:
        for place, values in _given(compiled, each, parameters):
            found[place] = found.get(place, values) & values
    joined = [(_place(each.left), _place(each.right)) for each in compared if each.operator is operators.eq]
    for _ in joined:
        for one, other in (*joined, *(pair[::-1] for pair in joined)):
            if one in found and other is not None:
                found.setdefault(other, found[one])
    return found


def _given(
    compiled: Any, each: BinaryExpression[Any], parameters: Parameters
) -> Iterator[tuple[Place, frozenset[str]]]:
    """The values that a comparison leaves to columns."""
    if not isinstance(each.right, BindParameter):
        return
    value = _value(parameters, compiled.bind_names.get(each.right, each.right.key))
    if each.operator is operators.eq:
        yield from ((place, frozenset(of)) for place, of in _columns_of(each.left, [value]))
    elif each.operator is operators.in_op:
        yield from ((place, frozenset(of)) for place, of in _columns_of(each.left, value))


def _value(parameters: Parameters, name: str) -> Any:
    """What was bound; a list as SQLAlchemy expands it: to `name_1`, or `name_1_1` for the parts of a key."""
    if name in parameters:
        return parameters[name]
    keys: dict[int, list[Any]] = {}
    for each, value in parameters.items():
        if found := re.fullmatch(rf"{re.escape(name)}_(\d+)(_\d+)?", each):
            keys.setdefault(int(found[1]), []).append(value)
    return [key if len(key) > 1 else key[0] for key in keys.values()]


def _conjuncts(conditions: Iterable[Any]) -> Iterator[Any]:
    for each in conditions:
        if isinstance(each, Grouping):
            yield from _conjuncts([each.element])
        elif isinstance(each, BooleanClauseList) and each.operator is operators.and_:
            yield from _conjuncts(each.clauses)
        else:
            yield each


def _columns_of(left: Any, values: Sequence[Any]) -> Iterator[tuple[Place, list[Any]]]:
    while isinstance(left, Grouping):
        left = left.element
    if isinstance(left, Tuple):
        for index, column in enumerate(left.clauses):
            if place := _place(column):
                yield place, [value[index] for value in values]
    elif place := _place(left):
        yield place, list(values)


def _place(element: Any) -> Place | None:
    if isinstance(element, Column) or hasattr(element, "table"):
        return (element.table.name, element.name) if element.table is not None else None
    return None


def _tenants_of_rows(sets: Sequence[Parameters]) -> Iterator[str]:
    for parameters in sets:
        yield from (value for name, value in parameters.items() if re.fullmatch(r"tenant(_m\d+)?", name))


# Statements that come as text.


def named_in_text(text: str, parameters: Sequence[Any]) -> Iterator[Named]:
    """The same of one text with several statements; what cannot be read names nobody."""
    left = list(parameters or ())
    for part in text.split("; "):
        count = len(re.findall(r"(?<!%)%s", part))
        given, left = left[:count], left[count:]
        yield from _named_in_part(part, given)


def _named_in_part(part: str, given: Sequence[Any]) -> Iterator[Named]:
    found = _PART.match(part)
    verb = found[1].split()[0] if found else LOCK
    tables = [found[2]] if found else [name for name in DISTRIBUTED_TABLES if re.search(rf"\b{name}\b", part)]
    if found is None and not _LOCKS.search(part):
        return
    for table in tables:
        if table in DISTRIBUTED_TABLES:
            yield Named(verb, table, _tenants_in_part(part, table, given), part)


def _tenants_in_part(part: str, table: str, given: Sequence[Any]) -> frozenset[str] | None:
    """The tenants of the rows that it was given; an update has to name theirs in its condition too."""
    if _SHAPED not in part:
        return None
    rows = json.loads(given[0])
    tenants = frozenset(row[name] for row in rows for name in _NAMES_OF_TENANT if name in row)
    if part.startswith("INSERT"):
        return tenants
    is_named = part.endswith(f" AND {table}.tenant = %s") and frozenset([given[-1]]) == tenants
    return tenants if is_named else None
