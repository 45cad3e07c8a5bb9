"""Databases whose runs are partitioned by time, for tests on PostgreSQL."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection, text

from persistence_service.database import Database, DatabaseOptions, normalise_url
from persistence_service.database.partitioning import WIDTHS, partition
from persistence_service.database.partitions import id_at
from persistence_service.runs.form.partitioned import PARTITIONED

SINCE = timedelta(days=10)
"""How long ago tables are taken to have been partitioned, so that there are days that are over."""

_PARTS = text(
    "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhparent WHERE relkind = 'p' "
    "ORDER BY 1"
)


def partition_by_day(url: str, since: timedelta = SINCE) -> list[str]:
    """As an operator would, so long ago; what was told."""
    told: list[str] = []
    with Database(DatabaseOptions(url=normalise_url(url))).maintenance() as engine:
        partition(engine, PARTITIONED, WIDTHS["day"], told.append, datetime.now(UTC) - since)
    return told


def id_of(days: float) -> str:
    """An id as it was made so many days ago; negative: that will be."""
    return f"{id_at(datetime.now(UTC) - timedelta(days=days))}-7000-8000-{uuid4().hex[:12]}"


def parts(connection: Connection) -> list[str]:
    """The names of all partitions."""
    return list(connection.execute(_PARTS).scalars())


def counts(connection: Connection, table: str = "persona_reviews") -> dict[str, int]:
    """How many rows of a table stand in which of its partitions."""
    found = connection.execute(text(f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1"))
    return {part: count for part, count in found}  # noqa: C416 - rows are no pairs to the type checker
