"""The one place that hides what is deleted.

Every statement that reads, changes or removes rows which can be deleted goes through `visible`, which leaves
the deleted ones out, or through `everything`, which says why it does not. Statements are made of statements,
so the rule is kept from the first `select` on. A test goes through all of them.
"""

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Delete, Join, Select, Table, Update, exists, literal_column
from sqlalchemy.sql.expression import Alias, FromClause

from persistence_service.runs.form.tables import RunRow

Statement = TypeVar("Statement", bound=Select[Any] | Update | Delete)

SHOWS_DELETED = "shows_deleted"
"""The execution option that says why a statement does not leave out what is deleted."""

OF_A_RUN = frozenset(
    {
        "run_specifications",
        "revisions",
        "proposal_versions",
        "persona_reviews",
        "decisions",
        "attempts",
    }
)
"""Tables whose rows go with their run, without a mark of their own."""


def visible(statement: Statement) -> Statement:
    """The statement without rows that are deleted; all its tables are there already."""
    filtered = statement.where(*_conditions(statement)).execution_options(**{SHOWS_DELETED: None})
    return cast("Statement", filtered)


def everything(statement: Statement, because: str) -> Statement:
    """The statement as it is, deleted rows and all, with the reason why."""
    return cast("Statement", statement.execution_options(**{SHOWS_DELETED: because}))


def both(statement: Statement) -> dict[bool, Statement]:
    """The statement by whether deleted rows are to be shown."""
    return {False: visible(statement), True: everything(statement, "asked for")}


def is_deletable(table: FromClause) -> bool:
    """Whether rows of the table are marked themselves when they are deleted."""
    return "delete_time" in table.c


def tables_of(statement: Select[Any] | Update | Delete) -> Iterator[FromClause]:
    """The tables and aliases that the statement names itself; not those of statements within it."""
    if isinstance(statement, Select):
        for source in statement.get_final_froms():
            yield from _leaves(source)
    else:
        yield statement.table


def table_name(source: FromClause) -> str:
    """The name of a table, or of what an alias stands for."""
    while isinstance(source, Alias):
        source = source.element
    return source.name if isinstance(source, Table) else ""


def _leaves(source: FromClause) -> Iterator[FromClause]:
    if isinstance(source, Join):
        yield from _leaves(source.left)
        yield from _leaves(source.right)
    elif isinstance(source, Table | Alias):
        yield source


def _conditions(statement: Select[Any] | Update | Delete) -> Iterator[ColumnElement[bool]]:
    sources = list(tables_of(statement))
    names = {table_name(source) for source in sources}
    for source in sources:
        if is_deletable(source):
            yield source.c.delete_time.is_(None)
        elif table_name(source) in OF_A_RUN and RunRow.__tablename__ not in names:
            yield ~_run_is_deleted(source)


def _run_is_deleted(part: FromClause) -> ColumnElement[bool]:
    """Whether the row's run is deleted; of what belongs to no run, such as an expansion, it is not."""
    runs = RunRow.__table__
    return (
        exists(literal_column("1"))
        .select_from(runs)
        .where(
            runs.c.tenant == part.c.tenant,
            runs.c.run_id == part.c.run_id,
            runs.c.delete_time.is_not(None),
        )
    )
