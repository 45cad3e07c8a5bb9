"""On PostgreSQL no list of runs reads a table of 100,000 rows from end to end."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Select, text

from consensus.v1 import decision_pb2, run_pb2
from persistence_service.database import Database
from persistence_service.runs.read.listing import newest_first
from persistence_service.runs.read.open_runs import COUNT_OPEN, MOST_COUNTED
from persistence_service.runs.read.repository import RUNS_WITH_SPECIFICATION
from persistence_service.runs.write.mass_deletion import LOCK_OF_DELETION, LOCK_OF_USER
from persistence_service.runs.write.purging import LOCK_DELETED_BEFORE, LOCK_ENDED_BEFORE
from tests.storage.conftest import options_for
from tests.support import postgres
from tests.support.many_runs import FILL_RUNS, FIRST_RUN, ROWS

LATER = [int(FIRST_RUN.timestamp() + ROWS // 2) * 1_000_000, "run-000000"]


def stamp(second: int) -> Timestamp:
    return Timestamp(seconds=int(FIRST_RUN.timestamp()) + second)


FILTERS: dict[str, run_pb2.RunFilter] = {
    "all": run_pb2.RunFilter(),
    "of a common state": run_pb2.RunFilter(state=run_pb2.RUN_STATE_COMPLETED),
    "of a rare state": run_pb2.RunFilter(state=run_pb2.RUN_STATE_CANCELLED),
    "initial": run_pb2.RunFilter(type=run_pb2.RUN_TYPE_INITIAL),
    "revisions": run_pb2.RunFilter(type=run_pb2.RUN_TYPE_REVISION),
    "of a parent": run_pb2.RunFilter(parent_run_id="run-000700"),
    "with a decision": run_pb2.RunFilter(decision=decision_pb2.DECISION_LABEL_REJECT),
    "with some confidence": run_pb2.RunFilter(min_confidence=0.5),
    "with rare confidence": run_pb2.RunFilter(min_confidence=0.9999),
    "of a time": run_pb2.RunFilter(create_time_from=stamp(10), create_time_to=stamp(500)),
    "of a user": run_pb2.RunFilter(user="u-77"),
    "of a user, completed, decided": run_pb2.RunFilter(
        user="u-77",
        state=run_pb2.RUN_STATE_COMPLETED,
        decision=decision_pb2.DECISION_LABEL_APPROVE,
        min_confidence=0.7,
    ),
}


@pytest.fixture(scope="module")
def full(postgres_server: postgres.Server, postgres_template: str) -> Iterator[Database]:
    """A PostgreSQL database with many runs."""
    with postgres_server.database(postgres_template) as url:
        database = Database(options_for(url, statement_timeout=60))
        database.open()
        database.unit_of_work(lambda connection: connection.execute(text(FILL_RUNS)))
        yield database
        database.close()


def plan_of(database: Database, statement: Select[Any]) -> dict[str, Any]:
    compiled = statement.compile(dialect=database.engine.dialect, compile_kwargs={"literal_binds": True})

    def explain(connection: Connection) -> dict[str, Any]:
        found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}").scalar_one()
        plan: dict[str, Any] = found[0]["Plan"]
        return plan

    return database.unit_of_work(explain)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.parametrize("position", [None, LATER], ids=["first page", "later page"])
@pytest.mark.parametrize("wanted", FILTERS.values(), ids=FILTERS.keys())
def test_no_list_of_runs_reads_a_table_from_end_to_end(
    full: Database, wanted: run_pb2.RunFilter, position: list[Any] | None
) -> None:
    plan = plan_of(full, newest_first(RUNS_WITH_SPECIFICATION.visible, "default", wanted, position, 31))
    scans = [node for node in nodes(plan) if "Scan" in node["Node Type"]]
    assert scans
    assert not [node for node in scans if node["Node Type"] == "Seq Scan"], plan


@pytest.mark.parametrize("name", ["all", "of a common state", "with a decision", "of a user", "of a parent"])
def test_a_page_costs_what_it_shows_and_not_what_is_there(full: Database, name: str) -> None:
    plan = plan_of(full, newest_first(RUNS_WITH_SPECIFICATION.visible, "default", FILTERS[name], LATER, 31))
    assert plan["Total Cost"] < 500


def test_open_runs_are_counted_by_their_index(full: Database) -> None:
    plan = plan_of(full, COUNT_OPEN.params(most=MOST_COUNTED))
    (scan,) = [node for node in nodes(plan) if node.get("Relation Name") == "runs"]
    assert scan["Index Name"] == "ix_runs_open"


DELETION = {
    "of a user, to delete": LOCK_OF_USER.params(tenant="default", user="u-77"),
    "of a deletion": LOCK_OF_DELETION.params(tenant="default", deletion="d-1"),
    "deleted long ago": LOCK_DELETED_BEFORE.together.limit(50).params(before=FIRST_RUN),
    "ended long ago": LOCK_ENDED_BEFORE.together.limit(50).params(before=FIRST_RUN),
    "deleted long ago, picked": LOCK_DELETED_BEFORE.candidates.limit(50).params(before=FIRST_RUN),
    "ended long ago, picked": LOCK_ENDED_BEFORE.candidates.limit(50).params(before=FIRST_RUN),
}


@pytest.mark.parametrize("statement", DELETION.values(), ids=DELETION.keys())
def test_runs_to_delete_or_purge_are_found_by_an_index(full: Database, statement: Select[Any]) -> None:
    plan = plan_of(full, statement)
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "runs"]
    assert scans
    assert not [node for node in scans if node["Node Type"] == "Seq Scan"], plan
