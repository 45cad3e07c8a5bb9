"""On PostgreSQL no list of events or metrics reads a table of 100,000 rows from end to end."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, event, text

from persistence_service.database import Database
from persistence_service.events import repository as events
from persistence_service.events.event import EventFilter
from persistence_service.metrics import repository as metrics
from persistence_service.metrics.metric import MetricFilter
from persistence_service.schema.scalars import EPOCH, MICROSECOND
from tests.storage.conftest import options_for
from tests.support import postgres

ROWS = 100_000
FILL = f"""
INSERT INTO events SELECT 'default', 'T' || n % 5, timestamptz 'epoch' + n * interval '1 second',
    sha256(n::text::bytea), n * 1000, jsonb_build_object('n', n, 'page', n % 100), 1, '',
    CASE WHEN n % 10 = 0 THEN 'd' || n / 100 END, CASE WHEN n % 10 = 0 THEN 'u' || n / 100 END,
    CASE WHEN n % 10 = 0 THEN 'r' || n / 100 END
FROM generate_series(1, {ROWS}) n;
INSERT INTO metrics SELECT 'default', 'm' || n, 'T' || n % 50, jsonb_build_object('n', n), 'u' || n % 1000,
    'o' || n % 1000, timestamptz 'epoch' + n * interval '1 second', now(), NULL, NULL
FROM generate_series(1, {ROWS}) n;
ANALYZE events; ANALYZE metrics
"""
LIMIT = 31


def instant(seconds: int) -> Any:
    return EPOCH + seconds * 1_000_000 * MICROSECOND


@pytest.fixture(scope="module")
def full(postgres_server: postgres.Server, postgres_template: str) -> Iterator[Database]:
    """A PostgreSQL database with many rows in both tables."""
    with postgres_server.database(postgres_template) as url:
        with (
            closing(psycopg2.connect(postgres_server.as_admin(url))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("ALTER FUNCTION jsonb_contains(jsonb, jsonb) LEAKPROOF")  # docs/operations.md
            connection.commit()
        database = Database(options_for(url, statement_timeout=60))
        database.open()
        database.unit_of_work(lambda connection: connection.execute(text(FILL)))
        yield database
        database.close()


AFTER_EVENT = (instant(50_000), 50_000_000, "T0", bytes(32))
AFTER_METRIC = (instant(50_000), "m50000")
Read = Callable[[Connection], Any]
READS: dict[str, Read] = {
    "events": lambda c: events.page(c, "default", EventFilter(), None, LIMIT),
    "events, a later page": lambda c: events.page(c, "default", EventFilter(), AFTER_EVENT, LIMIT),
    "events of a type": lambda c: events.page(c, "default", EventFilter(types=("T3",)), None, LIMIT),
    "events of a type, a later page": lambda c: events.page(
        c, "default", EventFilter(types=("T3",)), AFTER_EVENT, LIMIT
    ),
    "events of types": lambda c: events.page(
        c, "default", EventFilter(types=("T1", "T3")), AFTER_EVENT, LIMIT
    ),
    "events of no known type": lambda c: events.page(c, "default", EventFilter(types=("X",)), None, LIMIT),
    "events of a time": lambda c: events.page(
        c, "default", EventFilter(time_from=instant(90_000), time_to=instant(90_100)), None, LIMIT
    ),
    "events with data": lambda c: events.page(c, "default", EventFilter(data={"n": 99_000}), None, LIMIT),
    "events of a draft": lambda c: events.of_draft(c, "default", "d7"),
    "events of a user": lambda c: events.of_user(c, "default", "u7"),
    "events to purge": lambda c: events.purge_some(c, instant(-1), 500),
    "metrics": lambda c: metrics.page(c, "default", MetricFilter(), None, LIMIT),
    "metrics, a later page": lambda c: metrics.page(c, "default", MetricFilter(), AFTER_METRIC, LIMIT),
    "metrics of a type": lambda c: metrics.page(
        c, "default", MetricFilter(metric_type="T3"), AFTER_METRIC, LIMIT
    ),
    "metrics of a user": lambda c: metrics.page(
        c, "default", MetricFilter(user_id="u3"), AFTER_METRIC, LIMIT
    ),
    "metrics of an organisation": lambda c: metrics.page(
        c, "default", MetricFilter(org_id="o3"), None, LIMIT
    ),
    "metrics of a time": lambda c: metrics.page(
        c, "default", MetricFilter(time_from=instant(10), time_to=instant(20)), None, LIMIT
    ),
    "metrics with data": lambda c: metrics.page(c, "default", MetricFilter(data={"n": 7}), None, LIMIT),
    "a metric": lambda c: metrics.find(c, "default", "m7"),
    "metrics that are old": lambda c: metrics.remove_old(c, "update_time", instant(-1), 500),
    "metrics that were deleted": lambda c: metrics.remove_old(c, "delete_time", instant(-1), 500),
    "metrics of a user, to delete": lambda c: metrics.lock_of_user(c, "default", "u3"),
    "metrics of a deletion": lambda c: metrics.lock_of_deletion(c, "default", "d-1"),
}


def plans_of(database: Database, read: Read) -> list[dict[str, Any]]:
    """The plans of the statements on the two tables, with the parameters that they were run with."""
    ran: list[tuple[str, Any]] = []

    def remember(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> None:
        ran.append((statement, parameters))

    def explained(connection: Connection) -> list[dict[str, Any]]:
        return [
            connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()[0][
                "Plan"
            ]
            for statement, parameters in ran
            if "events" in statement or "metrics" in statement
        ]

    event.listen(database.engine, "before_cursor_execute", remember)
    try:
        database.unit_of_work(read)
    finally:
        event.remove(database.engine, "before_cursor_execute", remember)
    return database.unit_of_work(explained)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_no_table_is_read_from_end_to_end(full: Database, read: Read) -> None:
    (plan,) = plans_of(full, read)
    scans = [node for node in nodes(plan) if "Scan" in node["Node Type"]]
    assert scans
    assert not [node for node in scans if node["Node Type"] == "Seq Scan"], plan


def test_rare_data_is_found_by_its_index(full: Database) -> None:
    for read in (READS["events with data"], READS["metrics with data"]):
        (plan,) = plans_of(full, read)
        used = {node.get("Index Name", "") for node in nodes(plan)}
        assert used & {"ix_events_data", "ix_metrics_data"}


PAGES = ["events", "events, a later page", "metrics", "metrics, a later page", "metrics of a type"]


@pytest.mark.parametrize("read", [READS[name] for name in PAGES], ids=PAGES)
def test_a_page_costs_what_it_shows_and_not_what_is_there(full: Database, read: Read) -> None:
    (plan,) = plans_of(full, read)
    assert plan["Total Cost"] < 100
