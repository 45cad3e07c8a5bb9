"""Databases of many runs, partitioned by day: narrow rows made by SQL, and some runs whole.

A whole run is recorded by the service; its rows are then copied under other ids, as many for each day.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from persistence_service.database import Database, DatabaseOptions, normalise_url
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.form.partitioned import PARTITIONED
from tests.support.partitions import id_of, partition_by_day
from tests.support.postgres import showing_all
from tests.support.records import Service, happy_records

DAYS = 90
"""The days over which the runs are spread, to yesterday."""
WHOLE = 100_000
"""So many of the runs are whole, at most."""

_COLUMNS = (
    "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute "
    "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL (%s)"
)
_INDEXES = (
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
    "WHERE indrelid = 'runs'::regclass AND NOT indisprimary"
)
_CHOSEN = """
CREATE UNLOGGED TABLE made AS
SELECT n, at, n %% %(every)s = 0 AS is_whole,
    run_id_at(at) || '-7' || lpad(to_hex(n %% 4096), 3, '0') || '-8000-' || lpad(to_hex(n), 12, '0') AS id
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
    LATERAL (SELECT %(begin)s::timestamptz + (n - %(first)s) * (interval '1 day' / %(per_day)s) AS at) AS time
"""
# Different in what lists and filters look at.
_DIFFERENT = {
    "runs": {
        "run_id": "id", "user_id": "'u-' || n % 100", "create_time": "at", "start_time": "at",
        "update_time": "at + interval '20 seconds'", "finish_time": "at + interval '20 seconds'",
        "confidence": "n * 7919 % 10000",
    },
    "decisions": {"run_id": "id", "content": "CASE WHEN is_whole THEN content ELSE '{}' END"},
    "journal": {"stream": "'runs/' || id", "event_time": "at"},
}  # fmt: skip
_NARROW = ("runs", "run_specifications", "decisions")
_OF_WHOLE = ("proposal_versions", "persona_reviews", "journal", "attempts")


def fill(url: str, runs: int) -> datetime:
    """Partitions a database and fills it; when its first run began."""
    partition_by_day(url, timedelta(days=DAYS + 3))
    template = asyncio.run(_recorded(url))
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    with closing(psycopg2.connect(showing_all(url))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
            cursor.execute("ALTER TABLE runs SET (fillfactor = 90)")  # hardly one of these is updated
            _fill_days(cursor, template, begin, runs)
            cursor.execute("VACUUM ANALYZE")
    return begin


def _fill_days(cursor: Any, template: str, begin: datetime, runs: int) -> None:
    cursor.execute(_INDEXES)
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    per_day, every = runs // DAYS, max(1, runs // WHOLE)
    for day in range(DAYS):
        first = day * per_day + 1
        chosen = {"first": first, "last": first + per_day - 1, "every": every, "per_day": per_day}
        cursor.execute("DROP TABLE IF EXISTS made")
        cursor.execute(_CHOSEN, {**chosen, "begin": begin + timedelta(days=day)})
        for statement in _copies(cursor, template):
            cursor.execute(statement)
    cursor.execute("DROP TABLE made")
    for _, made in indexes:
        cursor.execute(made)


def _copies(cursor: Any, template: str) -> Iterator[str]:
    for table in (*_NARROW, *_OF_WHOLE):
        different = _DIFFERENT.get(table, {"run_id": "id"})
        cursor.execute(_COLUMNS, (table, list(different)))
        (same,) = cursor.fetchone()
        mine = f"stream = 'runs/{template}'" if table == "journal" else f"run_id = '{template}'"
        which = "" if table in _NARROW else "WHERE is_whole"
        yield (
            f"INSERT INTO {table} ({', '.join(different)}, {same}) "
            f"SELECT {', '.join(different.values())}, {same} "
            f"FROM made CROSS JOIN (SELECT * FROM {table} WHERE {mine}) AS of_template {which}"
        )


async def _recorded(url: str) -> str:
    """A whole run of today; its id."""
    database = Database(DatabaseOptions(url=normalise_url(url)))
    await database.start()
    try:
        async with Service(database, RunOptions()) as service, service.created(id_of(0)) as worker:
            for each in happy_records():
                await worker.record(each)
            return worker.run_id
    finally:
        database.close()


def sizes(url: str) -> tuple[int, int, int]:
    """Bytes of the database, bytes of what is partitioned, and how many partitions there are."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_database_size(current_database()), "
            "sum(pg_total_relation_size(inhrelid))::bigint, count(*) FROM pg_inherits "
            "WHERE inhparent = ANY (%s::regclass[])",
            (sorted(PARTITIONED),),
        )
        row = cursor.fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])
