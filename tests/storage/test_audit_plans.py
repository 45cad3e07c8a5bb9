"""On PostgreSQL no page of the audit trail reads a table of 100,000 entries, three a row, from end to end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from persistence_service.audit.filter import EntryFilter
from persistence_service.audit.repository import Position, page_statement
from persistence_service.database import Database
from tests.storage.conftest import options_for
from tests.support import postgres

ROWS, ENTRIES = 33_333, 99_999
FIRST = datetime(2026, 11, 20, tzinfo=UTC)
FILL = f"""
INSERT INTO journal (tenant, stream, first_sequence, event_time, caller, user_id, request_id, severity,
    previous_hashes, entries)
SELECT 'default', 'runs/' || (n / 10), n % 10 * 3 + 1,
    timestamptz '{FIRST.isoformat()}' + n * interval '30 milliseconds', 'anonymous', 'u' || n % 1000, 'q',
    CASE WHEN n % 200 = 0 THEN 40 ELSE 20 END, sha256('') || sha256('') || sha256(''),
    json_build_array(json_build_array('step.started', n, NULL, '{{}}'::json),
        json_build_array('step.completed', n, NULL, '{{}}'::json),
        CASE WHEN n % 200 = 0 THEN json_build_array('run.failed', n, NULL, '{{}}'::json, 40)
        ELSE json_build_array('step.started', n, NULL, '{{}}'::json) END)
FROM generate_series(0, {ROWS - 1}) n;
ANALYZE journal
"""
LATER = Position(FIRST + timedelta(milliseconds=10 * ENTRIES // 2), "runs/1666", 5)
FILTERS = {
    "all": EntryFilter(),
    "of a stream": EntryFilter(stream="runs/77"),
    "of a severity": EntryFilter(min_severity=30),
    "of a kind and severity": EntryFilter(event_type="run.failed", min_severity=40),
    "of a time": EntryFilter(time_from=FIRST, time_to=FIRST + timedelta(seconds=5)),
}


@pytest.fixture(scope="module")
def full(postgres_server: postgres.Server, postgres_template: str) -> Iterator[Database]:
    with postgres_server.database(postgres_template) as url:
        database = Database(options_for(url, statement_timeout=60))
        database.open()
        database.unit_of_work(lambda connection: connection.execute(text(FILL)))
        yield database
        database.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.parametrize("position", [None, LATER], ids=["first page", "later page"])
@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
def test_no_page_of_the_audit_trail_reads_it_from_end_to_end(
    full: Database, wanted: EntryFilter, position: Position | None
) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it without types
    statement = page_statement("default", wanted, position, 31).compile(
        dialect=dialect, compile_kwargs={"literal_binds": True}
    )

    def analyse(connection: Connection) -> dict[str, Any]:
        found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}").scalar_one()
        plan: dict[str, Any] = found[0]["Plan"]
        return plan

    plan = full.unit_of_work(analyse)
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}
    assert max(node["Actual Rows"] for node in nodes(plan)) <= ENTRIES / 100
