"""Every statement over rows that can be deleted leaves the deleted ones out, or says why it does not."""

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Column, Delete, Dialect, Select, Table, Update, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import visitors
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.expression import Alias, FromClause, Subquery
from sqlalchemy.sql.visitors import ExternallyTraversible

import persistence_service
from persistence_service import tables
from persistence_service.database.many import ForRows
from persistence_service.database.tenants import ForKeys, OldestLocked, OldestRemoved
from persistence_service.runs.form.tables import RunRow, RunSpecificationRow
from persistence_service.schema.base import Base
from persistence_service.schema.visibility import (
    OF_A_RUN,
    SHOWS_DELETED,
    both,
    everything,
    is_deletable,
    table_name,
    tables_of,
    visible,
)

Statement = Select[Any] | Update | Delete
POSTGRESQL, SQLITE = postgresql.dialect(), sqlite.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's

NEVER_DELETED = {
    "access_keys",
    "content_keys",
    "journal",
    "events",
    "expansions",
    "panel_revisions",
    "policies",
    "policy_revisions",
    "idempotency_keys",
    "run_settings",
    "schema_compatibility",
    "signing_keys",
    "spend",
    "stream_heads",
    "tenant_moves",
    "usage",
    "webhook_deliveries",
}
DECIDE = {"visible", "everything", "both"}
MAKE = {"select", "update", "delete", "exists"}
RUNS, SPECIFICATIONS = tables.metadata.tables["runs"], tables.metadata.tables["run_specifications"]


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(persistence_service.__path__, "persistence_service.")
    return [importlib.import_module(each.name) for each in found if not each.name.endswith("__main__")]


MODULES = modules()


def concerns(name: str) -> bool:
    """Whether rows of the table can be deleted, by themselves or with their run."""
    return name in OF_A_RUN or (name in tables.metadata.tables and is_deletable(tables.metadata.tables[name]))


# Statements made once.


def statements_in(value: Any) -> Iterator[Statement]:
    """Statements in a module's value: the value, in a container, or within a subquery or condition."""
    if isinstance(value, Statement):
        yield value
    elif isinstance(value, ForRows):
        yield from statements_in(value.statement)
    elif isinstance(value, ForKeys | OldestLocked | OldestRemoved):
        yield from statements_in(vars(value))
    elif isinstance(value, dict):
        for each in value.values():
            yield from statements_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from statements_in(each)
    elif isinstance(value, ExternallyTraversible) and not isinstance(value, FromClause | Column):
        yield from (each for each in visitors.iterate(value) if isinstance(each, Statement))
    elif isinstance(value, Subquery):
        yield from statements_in(value.element)


def within(statement: Statement) -> Iterator[Statement]:
    """The statement and all statements inside it; not those that the rule itself put there."""
    yield statement
    for each in visitors.iterate(statement):
        if isinstance(each, Select) and each is not statement and not is_the_rules_own(each):
            yield each


def is_the_rules_own(statement: Select[Any]) -> bool:
    return "runs.delete_time IS NOT NULL" in text_of(statement, POSTGRESQL)


def text_of(statement: Statement, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))


def unfiltered(statement: Statement) -> list[str]:
    """The tables of which the statement may show deleted rows, without saying why."""
    if statement.get_execution_options().get(SHOWS_DELETED):
        return []
    for dialect in (POSTGRESQL, SQLITE):
        text = text_of(statement, dialect)
        sources = list(tables_of(statement))
        names = {table_name(source) for source in sources}
        if missing := [table_name(source) for source in sources if not is_filtered(source, names, text)]:
            return missing
    return []


def is_filtered(source: FromClause, names: set[str], text: str) -> bool:
    name = source.name if isinstance(source, Table | Alias) else ""
    if not concerns(table_name(source)):
        return True
    if is_deletable(source):
        return f"{name}.delete_time IS NULL" in text
    return "runs" in names or f"runs.run_id = {name}.run_id AND runs.delete_time IS NOT NULL" in text


def made_once() -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    for module in MODULES:
        for name, value in vars(module).items():
            for number, statement in enumerate(statements_in(value)):
                for depth, each in enumerate(within(statement)):
                    if any(concerns(table_name(source)) for source in tables_of(each)):
                        found[f"{module.__name__}.{name}[{number}.{depth}]"] = each
    return found


MADE_ONCE = made_once()


@pytest.mark.parametrize("name", sorted(MADE_ONCE))
def test_a_statement_made_once_leaves_out_what_is_deleted_or_says_why_not(name: str) -> None:
    assert unfiltered(MADE_ONCE[name]) == []


def test_the_statements_of_all_concepts_are_looked_at() -> None:
    packages = {name.split(".")[1] for name in MADE_ONCE}
    assert packages == {
        "audit",
        "decisions",
        "diagnostics",
        "drafts",
        "housekeeping",
        "metrics",
        "moving",
        "panels",
        "runs",
    }
    assert len(MADE_ONCE) > 80


# Statements that functions make: the call that begins one stands within one that decides.


def over_deletable(function: ast.AST, module: ModuleType) -> bool:
    """Whether a function names anything that belongs to a table whose rows can be deleted."""
    names = {each.id for each in ast.walk(function) if isinstance(each, ast.Name)}
    return any(is_of_deletable(getattr(module, name, None)) for name in names)


def is_of_deletable(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(is_of_deletable(each) for each in value)
    if isinstance(value, type) and issubclass(value, Base) and value is not Base:
        return concerns(value.__tablename__)
    if isinstance(value, Table):
        return concerns(value.name)
    if isinstance(value, Column | InstrumentedAttribute):
        return isinstance(value.table, Table) and concerns(value.table.name)
    return isinstance(value, ReadOnlyColumnCollection) and any(map(is_of_deletable, value))


def undecided(module: ModuleType) -> list[str]:
    """Calls in functions of the module that begin a statement which nothing decides about."""
    if not hasattr(module, "__file__"):
        return []
    found: list[str] = []
    for function in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and over_deletable(function, module):
            decided = {
                id(inner)
                for call in ast.walk(function)
                if isinstance(call, ast.Call) and called(call) in DECIDE
                for inner in ast.walk(call)
            }
            found.extend(
                f"{function.name}:{call.lineno}"
                for call in ast.walk(function)
                if isinstance(call, ast.Call) and called(call) in MAKE and id(call) not in decided
            )
    return found


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if module.__name__ != visible.__module__],
    ids=lambda module: module.__name__,
)
def test_a_function_begins_no_statement_that_nothing_decides_about(module: ModuleType) -> None:
    assert undecided(module) == []


def test_a_function_that_begins_an_undecided_statement_is_found() -> None:
    found = undecided(sys.modules[__name__])
    assert "forgetful" in {each.partition(":")[0] for each in found}


def forgetful() -> Statement:
    return select(RUNS.c.run_id).limit(1)


# The guards themselves.


def test_each_table_is_deletable_or_goes_with_its_run_or_is_never_deleted() -> None:
    for name, table in tables.metadata.tables.items():
        assert [is_deletable(table), name in OF_A_RUN, name in NEVER_DELETED].count(True) == 1, name


@pytest.mark.parametrize(
    "statement",
    [
        select(RUNS.c.run_id),
        select(RunRow.run_id).where(RunRow.state == "QUEUED"),
        select(RUNS.alias("other").c.run_id),
        select(SPECIFICATIONS.c.idea),
        select(SPECIFICATIONS.c.idea).join(RUNS, RUNS.c.run_id == SPECIFICATIONS.c.run_id),
        update(RUNS).values(state="FAILED"),
        delete(RUNS),
        visible(select(RUNS.c.run_id))
        .join(SPECIFICATIONS, RUNS.c.run_id == SPECIFICATIONS.c.run_id)
        .join(tables.metadata.tables["metrics"], SPECIFICATIONS.c.tenant == RUNS.c.tenant),
        visible(everything(select(RUNS.c.run_id), "before")).with_only_columns(RUNS.alias("more").c.run_id),
    ],
    ids=str,
)
def test_a_statement_that_forgets_is_found(statement: Statement) -> None:
    assert unfiltered(statement) != []


@pytest.mark.parametrize(
    "statement",
    [
        visible(select(RUNS.c.run_id)),
        visible(select(RunRow.run_id)).where(RunRow.state == "QUEUED").limit(1),
        visible(select(RUNS.alias("other").c.run_id)),
        visible(select(RunSpecificationRow.idea)),
        visible(update(RUNS)).values(state="FAILED"),
        visible(delete(RUNS)),
        everything(delete(RUNS), "a reason").where(RUNS.c.state == "FAILED"),
        both(select(RUNS.c.run_id)).visible,
        both(select(RUNS.c.run_id)).shown(True).limit(1),
    ],
    ids=str,
)
def test_a_statement_that_decides_is_left_alone(statement: Statement) -> None:
    assert unfiltered(statement) == []


def test_a_statement_within_another_is_looked_at() -> None:
    inner = select(RUNS.c.run_id)
    outer = visible(select(SPECIFICATIONS.c.idea)).where(exists(inner))
    assert [unfiltered(each) for each in within(outer)] == [[], ["runs"]]
