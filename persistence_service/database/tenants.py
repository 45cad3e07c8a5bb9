"""Statements over rows of several tenants: one for all, or one a tenant where the database is distributed.

A database that is distributed by tenant runs a statement that locks or changes rows where they are if it
names one tenant, and refuses some that name several. On any other one statement for all is one round trip.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Delete,
    Executable,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    select,
    tuple_,
)

DISTRIBUTED = "consensus_distributed"
"""Execution option of connections to a database whose rows are distributed by tenant."""

SPARE_CANDIDATES = 100
"""How many more are picked than are to be locked, for those that others hold."""

Each = TypeVar("Each")
Key = Sequence[Any]


def is_distributed(connection: Connection) -> bool:
    """Whether each statement that locks or changes rows is to name one tenant."""
    return bool(connection.get_execution_options().get(DISTRIBUTED, False))


def per_statement(
    connection: Connection, items: Sequence[Each], tenant_of: Callable[[Each], str]
) -> Iterable[Sequence[Each]]:
    """The items that go into one statement: all of them, or a tenant's; none for no items."""
    if is_distributed(connection):
        return (some for _, some in by_tenant(items, tenant_of))
    return (items,) if items else ()


def by_tenant(
    items: Iterable[Each], tenant_of: Callable[[Each], str]
) -> Iterator[tuple[str, Sequence[Each]]]:
    """Each tenant's items, as they came; the tenants in the order of keys, in which locks are taken."""
    for tenant, some in groupby(sorted(items, key=tenant_of), tenant_of):
        yield tenant, list(some)


class ForKeys:
    """A statement over the rows of given keys, of which the tenant is the first part."""

    def __init__(self, where: Callable[[ColumnElement[bool]], Executable], *key: ColumnElement[Any]) -> None:
        """`where` makes the statement of a condition, as a statement's own `where` does."""
        given = tuple_(*key).in_(bindparam("keys", expanding=True))
        self.together = where(given)
        self.apart = where((key[0] == bindparam("one_tenant")) & given)

    def rows(self, connection: Connection, keys: Sequence[Key], **parameters: Any) -> list[Row[Any]]:
        """The rows, in the statement's order; of several tenants perhaps one tenant's after the other's."""
        return [row for result in self._results(connection, keys, parameters) for row in result]

    def count(self, connection: Connection, keys: Sequence[Key], **parameters: Any) -> int:
        """How many rows it changed."""
        return sum(result.rowcount for result in self._results(connection, keys, parameters))

    def _results(
        self, connection: Connection, keys: Sequence[Key], parameters: Mapping[str, Any]
    ) -> Iterator[CursorResult[Any]]:
        if not is_distributed(connection):
            yield connection.execute(self.together, {"keys": keys, **parameters})
            return
        for tenant, some in by_tenant(keys, itemgetter(0)):
            yield connection.execute(self.apart, {"keys": some, "one_tenant": tenant, **parameters})


class OldestLocked:
    """The rows that come first among those of all tenants, locked; those that others hold are left out.

    Where the database is distributed they are picked without a lock and then locked, a tenant's at a time, if
    they are still what is looked for.
    """

    def __init__(
        self, statement: Select[Any], order: Sequence[ColumnElement[Any]], key: Sequence[ColumnElement[Any]]
    ) -> None:
        """`statement` has the columns of the key, which begins with the tenant, and no order."""
        in_order = statement.order_by(*order).limit(bindparam("max_count"))
        self.together = in_order.with_for_update(skip_locked=True)
        self.candidates = in_order.with_only_columns(*key)
        self.locked = ForKeys(statement.with_for_update(skip_locked=True).where, *key)
        self._names = self.candidates.selected_columns.keys()

    def rows(self, connection: Connection, max_count: int, **parameters: Any) -> list[Row[Any]]:
        """At most so many rows, in the order."""
        if not is_distributed(connection):
            return list(connection.execute(self.together, {"max_count": max_count, **parameters}))
        picked = {"max_count": max_count + SPARE_CANDIDATES, **parameters}
        candidates = [tuple(row) for row in connection.execute(self.candidates, picked)]
        locked: list[Row[Any]] = []
        while candidates and len(locked) < max_count:
            wanted = max_count - len(locked)
            some, candidates = candidates[:wanted], candidates[wanted:]
            locked += self._in_order(some, self.locked.rows(connection, some, **parameters))
        return locked

    def _in_order(self, keys: Sequence[Key], rows: Sequence[Row[Any]]) -> list[Row[Any]]:
        found = {tuple(row._mapping[name] for name in self._names): row for row in rows}
        return [found[tuple(key)] for key in keys if tuple(key) in found]


class OldestRemoved:
    """Removes the rows that come first among those of all tenants, of which nobody needs to know."""

    def __init__(self, table: Table, order: ColumnElement[Any], *conditions: ColumnElement[bool]) -> None:
        """Without conditions all rows would go."""
        self.candidates = (
            select(*table.primary_key).where(*conditions).order_by(order).limit(bindparam("max_count"))
        )
        self.together: Delete = delete(table).where(tuple_(*table.primary_key).in_(self.candidates))
        # What became other than it was picked for stays.
        self.removed = ForKeys(delete(table).where(*conditions).where, *table.primary_key)

    def count(self, connection: Connection, max_count: int, **parameters: Any) -> int:
        """Removes at most so many; how many."""
        picked = {"max_count": max_count, **parameters}
        if not is_distributed(connection):
            return connection.execute(self.together, picked).rowcount
        keys = [tuple(row) for row in connection.execute(self.candidates, picked)]
        return self.removed.count(connection, keys, **parameters)
