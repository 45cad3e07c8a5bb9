"""Tables of runs that are partitioned by time, on PostgreSQL where an operator has chosen it.

A run's id is a UUIDv7, which begins with the time: a span of ids is a span of time, and all rows of a run
stand in the partition of its id. Nothing here is needed to read or write them: the table's name is enough.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from persistence_service.database.partition_functions import ADD, DROP, VIEW
from persistence_service.schema.scalars import from_microseconds, microseconds

SEPARATOR = "__"
"""Between the name of a table and what tells its partitions apart."""

_IS_THERE = text(f"SELECT to_regclass('{VIEW}') IS NOT NULL")
_SPANS = text(f"SELECT table_name, lower_id, upper_id FROM {VIEW} WHERE lower_id IS NOT NULL")  # noqa: S608
_ADD = text(f"SELECT {ADD}")
_DROP = text(f"SELECT {DROP}")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The ids from `lower` to before `upper`."""

    lower: str
    upper: str

    def holds(self, run_id: str) -> bool:
        """Whether the id is one of them."""
        return self.lower <= run_id < self.upper


def id_at(instant: datetime) -> str:
    """The first characters of the ids that are made from an instant on: they sort behind all earlier ones."""
    digits = f"{microseconds(instant) // 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def instant_of(run_id: str) -> datetime:
    """When an id was made, to the millisecond."""
    return from_microseconds(int(run_id[:13].replace("-", ""), 16) * 1000)


def table_of(partition: str) -> str:
    """The table that a partition belongs to; of any other table its own name."""
    return partition.partition(SEPARATOR)[0]


def is_partitioned(connection: Connection) -> bool:
    """Whether any table may have partitions."""
    return connection.dialect.name == "postgresql" and bool(connection.execute(_IS_THERE).scalar_one())


def grants(role: str) -> list[str]:
    """What lets a role, given as it is quoted, see to partitions."""
    return [f"GRANT EXECUTE ON FUNCTION {ADD}, {DROP} TO {role}", f"GRANT SELECT ON {VIEW} TO {role}"]


def spans(connection: Connection, tables: Collection[str]) -> list[Span]:
    """The spans that have a partition of their own in each of the tables, in their order."""
    if not is_partitioned(connection):
        return []
    found: dict[str, set[Span]] = {name: set() for name in tables}
    for name, lower, upper in connection.execute(_SPANS):
        found[name].add(Span(lower, upper))
    return sorted(set.intersection(*found.values()))


def held(spans: Iterable[Span], run_id: str) -> bool:
    """Whether one of the spans holds the id."""
    return any(span.holds(run_id) for span in spans)


def add_ahead(connection: Connection) -> int:
    """Makes the partitions that will be needed soon; how many.

    None where somebody else is at it. Needs READ COMMITTED, as does `drop_empty`.
    """
    return int(connection.execute(_ADD).scalar_one()) if is_partitioned(connection) else 0


def drop_empty(connection: Connection) -> int:
    """Drops an old partition, of one table, in whose span no run and no expansion stands; how many."""
    return int(connection.execute(_DROP).scalar_one()) if is_partitioned(connection) else 0
