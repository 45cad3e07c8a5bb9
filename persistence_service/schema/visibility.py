"""The one place that hides what is deleted.

Every statement that reads, changes or removes rows which can be deleted goes through `visible`, which leaves
the deleted ones out, or through `everything`, which says why it does not. Statements are made of statements,
so the rule is kept from the first `select` on. A test goes through all of them.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    Join,
    MetaData,
    Select,
    Table,
    Update,
    exists,
    literal_column,
)
from sqlalchemy.sql.expression import Alias, FromClause

Statement = TypeVar("Statement", bound=Select[Any] | Update | Delete)
Changed = TypeVar("Changed", bound=Select[Any] | Update | Delete)

SHOWS_DELETED = "shows_deleted"
"""The execution option that says why a statement does not leave out what is deleted."""

OF_A_RUN = frozenset(
    {
        "run_specifications",
        "revisions",
        "run_materials",
        "proposal_versions",
        "persona_reviews",
        "decisions",
        "attempts",
        "outcomes",
        "decision_overrides",
        "escalations",
        "escalation_resolutions",
        "human_reviews",
    }
)
"""Tables whose rows go with their run, without a mark of their own."""

# By name: this room knows no concept's tables.
_RUNS = Table("runs", MetaData(), *map(Column, ("tenant", "run_id", "delete_time")))


def visible(statement: Statement) -> Statement:
    """The statement without rows that are deleted; all its tables are there already."""
    filtered = statement.where(*_conditions(statement)).execution_options(**{SHOWS_DELETED: None})
    return cast("Statement", filtered)


def everything(statement: Statement, because: str) -> Statement:
    """The statement as it is, deleted rows and all, with the reason why."""
    return cast("Statement", statement.execution_options(**{SHOWS_DELETED: because}))


class Both(NamedTuple, Generic[Statement]):
    """A statement twice: without deleted rows, and with them."""

    visible: Statement
    everything: Statement

    def shown(self, show_deleted: bool) -> Statement:
        """The one that was asked for."""
        return self.everything if show_deleted else self.visible

    def map(self, change: Callable[[Statement], Changed]) -> "Both[Changed]":
        """Both of them, changed alike."""
        return Both(change(self.visible), change(self.everything))


def both(statement: Statement) -> Both[Statement]:
    """The statement for callers who say whether deleted rows are to be shown."""
    return Both(visible(statement), everything(statement, "asked for"))


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
        elif table_name(source) in OF_A_RUN and _RUNS.name not in names:
            yield ~_run_is_deleted(source)


def _run_is_deleted(part: FromClause) -> ColumnElement[bool]:
    """Whether the row's run is deleted; of what belongs to no run, such as an expansion, it is not."""
    return (
        exists(literal_column("1"))
        .select_from(_RUNS)
        .where(
            _RUNS.c.tenant == part.c.tenant,
            _RUNS.c.run_id == part.c.run_id,
            _RUNS.c.delete_time.is_not(None),
        )
    )
