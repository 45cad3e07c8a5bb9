"""What is removed for good leaves nothing but its journal, which still proves itself."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, select

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_event_pb2
from consensus_contract.errors import DraftNotFound, RunNotFound
from persistence_service.database import Database
from persistence_service.housekeeping.purging import Retention, in_days, purge_all
from persistence_service.housekeeping.retentions import retentions
from persistence_service.runs.form.usage_tables import UsageRow
from persistence_service.runs.write import purging
from tests.support import deletion
from tests.support.deletion import delete, entries, finished, flaws, get, row_counts, undelete
from tests.support.drafts import Drafts
from tests.support.records import Service, attempt, failure, new_id, record, scope

KEPT = {"deleted_days": 30, "run_days": 0, "event_days": 0, "metric_days": 0}


def ahead(database: Database, days: float) -> Any:
    """The database's clock, so many days later."""

    def clock(connection: Connection) -> datetime:
        return database.now(connection) + timedelta(days=days)

    return clock


async def purge(database: Database, days: float, **kept: int) -> dict[str, int]:
    """Purges as if it were so many days later; how many of each table, without those of which none."""
    counts: dict[str, int] = {}
    for retention in retentions(database.now, **(KEPT | kept)):
        if retention.age:  # keys that have expired are not counted
            count = await purge_all(database, retention, ahead(database, days))
            counts[retention.table] = counts.get(retention.table, 0) + count
    return {table: count for table, count in counts.items() if count}


def counted(table: str) -> float:
    return REGISTRY.get_sample_value("consensus_rows_purged_total", {"table": table}) or 0.0


async def test_a_run_is_purged_when_its_time_is_over_and_not_before(service: Service) -> None:
    database, run_id, before = service.database, await finished(service), counted("runs")
    await delete(service, run_id)
    assert await purge(database, 29.9) == {}
    assert (await get(service, run_id)).HasField("delete_time")
    assert await purge(database, 30.1) == {"runs": 1}
    with pytest.raises(RunNotFound):
        await get(service, run_id)
    assert await deletion.listed(service, show_deleted=True) == []
    assert counted("runs") - before == 1


async def test_nothing_of_a_purged_run_is_left_but_its_journal(service: Service) -> None:
    run_id, other = await finished(service), await finished(service)
    await delete(service, run_id)
    journal = entries(service.database, f"runs/{run_id}")
    await purge(service.database, 31)
    assert set(row_counts(service.database, "run_id", run_id).values()) == {0}
    assert entries(service.database, f"runs/{run_id}") == [*journal, ("run.purged", {"because": "deleted"})]
    assert await flaws(service.database) == []
    assert (await get(service, other)).HasField("decision")


async def test_a_restored_run_and_one_that_was_never_deleted_are_kept(service: Service) -> None:
    restored, stands = await finished(service), await finished(service)
    await delete(service, restored)
    await undelete(service, restored)
    assert await purge(service.database, 10_000) == {}
    assert await deletion.listed(service) == [stands, restored]


async def test_deleted_runs_are_kept_for_ever_where_the_setting_says_so(service: Service) -> None:
    run_id = await finished(service)
    await delete(service, run_id)
    assert await purge(service.database, 10_000, deleted_days=0) == {}
    assert (await get(service, run_id)).HasField("delete_time")


async def test_runs_are_purged_by_their_age_and_running_ones_never(service: Service) -> None:
    old = await finished(service)
    queued = (await service.queued()).run_id
    async with service.created() as worker:
        assert await purge(service.database, 6.9, run_days=7) == {}
        assert await purge(service.database, 7.1, run_days=7) == {"runs": 1}
        assert await deletion.listed(service) == [worker.run_id, queued]
    assert entries(service.database, f"runs/{old}")[-1] == ("run.purged", {"because": "age"})
    assert await flaws(service.database) == []


async def test_a_resumed_run_has_no_age(service: Service) -> None:
    async with service.created() as worker:
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
    await service.resume(worker.run_id)
    assert await purge(service.database, 100, run_days=7) == {}


async def test_many_runs_are_purged_a_few_at_a_time_by_two_at_once(
    service: Service, second_database: Database
) -> None:
    ids = [(await service.queued()).run_id for _ in range(12)]
    for run_id in ids:
        await service.cancel(run_id)
        await delete(service, run_id)
    database = service.database

    def retention(of: Database) -> Retention:
        return Retention("runs", in_days(1), partial(purging.purge_deleted, of.now), 2)

    counts = await asyncio.gather(
        *(
            purge_all(
                each,
                Retention("runs", in_days(1), partial(purging.purge_deleted, each.now), 2),
                ahead(each, 2),
            )
            for each in (database, second_database)
        )
    )
    assert sum(counts) == 12
    assert {entries(database, f"runs/{run_id}")[-1][0] for run_id in ids} == {"run.purged"}
    assert await flaws(database) == []


async def test_of_undeleting_and_purging_at_once_one_comes_too_late(
    service: Service, second_database: Database
) -> None:
    for _ in range(6):
        run_id = await finished(service)
        await delete(service, run_id)
        restored, purged = await asyncio.gather(
            undelete(service, run_id), purge(second_database, 31), return_exceptions=True
        )
        kinds = [kind for kind, _ in entries(service.database, f"runs/{run_id}")]
        if isinstance(restored, RunNotFound):
            assert (purged, kinds[-1]) == ({"runs": 1}, "run.purged")
            assert set(row_counts(service.database, "run_id", run_id).values()) == {0}
        else:
            assert (purged, kinds[-1]) == ({}, "run.undeleted")
            assert await get(service, run_id, show_deleted=False) == restored
    assert await flaws(service.database) == []


async def test_nothing_of_a_purged_draft_is_left_but_its_journal(database: Database) -> None:
    async with Drafts(database) as drafts:
        for draft_id in ("gone", "stays"):
            await drafts.create(draft_id, first_segment="words")
            await drafts.add(draft_id, "ben")
            await drafts.invite(draft_id)
        await drafts.call("DeleteDraft", draft_id="gone", user="ann")
        assert await purge(database, 29) == {}
        assert await purge(database, 31) == {"drafts": 1}
        with pytest.raises(DraftNotFound):
            await drafts.get("gone", show_deleted=True)
        assert (await drafts.get("stays")).segment_count == 1
    assert set(row_counts(database, "draft_id", "gone").values()) == {0}
    assert entries(database, "drafts/gone")[-1] == ("draft.purged", {"because": "deleted"})
    assert await flaws(database) == []


async def test_expansions_outside_runs_are_removed_by_age_and_their_cost_stays(service: Service) -> None:
    database, old = service.database, new_id()
    request = persistence_service_pb2.RecordExpansionRequest(
        scope=scope(), expansion_id=old, attempts=[attempt("expand")]
    )
    await service.stub.RecordExpansion(request)
    assert await purge(database, 29.9, run_days=30) == {}
    assert await purge(database, 30.1, run_days=30) == {"expansions": 1}
    assert row_counts(database, "run_id", old).get("attempts", 0) == 0
    kept = select(UsageRow.caller, UsageRow.call_count)
    assert database.unit_of_work(lambda c: c.execute(kept).all(), read_only=True) == [("anonymous", 1)]
