"""What the database says of itself."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Subquery, func, inspect, literal_column, select, table, text

from persistence_service.database.partitions import table_of
from persistence_service.runs.form.tables import RunRow
from persistence_service.schema.visibility import visible

COUNTED_EXACTLY = 100_000
"""On PostgreSQL tables with more rows than that are estimated."""

# Literals, so that both databases see that the index of open runs serves.
_OLDEST_QUEUED = visible(
    select(func.min(RunRow.create_time)).where(RunRow.state == literal_column("'QUEUED'"))
)
# Of a partitioned table the sum over its parts.
_ESTIMATE = text(
    "SELECT sum(greatest(reltuples, n_live_tup))::bigint FROM pg_class "
    "JOIN pg_stat_user_tables ON relid = oid WHERE relkind = 'r' "
    "AND to_regclass(quote_ident(:name)) IN (oid, (SELECT inhparent FROM pg_inherits WHERE inhrelid = oid))"
)


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table and its rows."""

    name: str
    row_count: int
    is_estimate: bool = False


def server_version(connection: Connection) -> str:
    """The version of the server; of SQLite that of the library."""
    if connection.dialect.name == "sqlite":
        return sqlite3.sqlite_version
    return str(connection.exec_driver_sql("SHOW server_version").scalar_one())


def size_bytes(connection: Connection) -> int:
    """Bytes on disk; of SQLite the file and what has not been copied into it yet."""
    if connection.dialect.name == "sqlite":
        file = str(connection.exec_driver_sql("PRAGMA database_list").one()[2])
        return sum(path.stat().st_size for path in (Path(file), Path(f"{file}-wal")) if path.exists())
    return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def table_sizes(connection: Connection) -> list[TableSize]:
    """Every table by name; no table costs more than counting `COUNTED_EXACTLY` rows on PostgreSQL."""
    return [
        _table_size(connection, name)
        for name in sorted(inspect(connection).get_table_names())
        if table_of(name) == name  # a partition counts with its table
    ]


def oldest_queued_run_time(connection: Connection) -> datetime | None:
    """When the oldest QUEUED run of any tenant was accepted; None when there is none."""
    return connection.execute(_OLDEST_QUEUED).scalar_one()


def _table_size(connection: Connection, name: str) -> TableSize:
    rows: Select[Any] = select(literal_column("1")).select_from(table(name))
    if connection.dialect.name == "sqlite":
        return TableSize(name, _count(connection, rows.subquery()))
    count = _count(connection, rows.limit(COUNTED_EXACTLY + 1).subquery())
    if count <= COUNTED_EXACTLY:
        return TableSize(name, count)
    estimate = connection.execute(_ESTIMATE, {"name": name}).scalar_one_or_none() or 0
    return TableSize(name, max(count, estimate), is_estimate=True)


def _count(connection: Connection, rows: Subquery) -> int:
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()
