"""Deleted metrics are left out of everything, shown where asked for, restored by deletion, and purged."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from consensus.v1 import metric_service_pb2, metric_service_pb2_grpc
from consensus_contract.errors import DeletionNotFound, IdempotencyKeyReused, MetricNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken
from persistence_service.database import Connection, Database
from persistence_service.housekeeping.purging import Retention, in_days, purge_all
from persistence_service.metrics import deleting
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.paging.tokens import Signing
from tests.support.deletion import entries, flaws
from tests.support.serving import once_per_key, served


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    servicer = MetricServicer(database, Signing(database), once_per_key(database))
    async with served(metric_service_pb2_grpc.add_MetricServiceServicer_to_server, servicer) as channel:
        stub = metric_service_pb2_grpc.MetricServiceStub(channel)
        metrics = [metric_service_pb2.MetricInput(metric_id=f"m{number}", type="T") for number in range(5)]
        await stub.StoreMetrics(metric_service_pb2.StoreMetricsRequest(metrics=metrics, user="ann"))
        yield stub


async def call(stub: Any, method: str, **fields: Any) -> Any:
    with contract_errors():
        return await getattr(stub, method)(getattr(metric_service_pb2, f"{method}Request")(**fields))


async def ids(stub: Any, **fields: Any) -> list[str]:
    return sorted(each.metric_id for each in (await call(stub, "ListMetrics", **fields)).metrics)


async def test_deleted_metrics_are_nowhere_unless_deleted_ones_are_asked_for(stub: Any) -> None:
    answer = await call(stub, "DeleteMetrics", metric_ids=["m3", "m1"])
    assert answer.deleted_count == 2
    with pytest.raises(MetricNotFound):
        await call(stub, "GetMetric", metric_id="m1")
    assert await ids(stub) == ["m0", "m2", "m4"]
    assert (await call(stub, "GetMetricStats")).metric_count == 3
    with contract_errors():
        exported = [
            each.metric.metric_id
            async for each in stub.ExportMetrics(metric_service_pb2.ExportMetricsRequest())
        ]
    assert sorted(exported) == ["m0", "m2", "m4"]
    assert await ids(stub, show_deleted=True) == ["m0", "m1", "m2", "m3", "m4"]
    shown = (await call(stub, "GetMetric", metric_id="m1", show_deleted=True)).metric
    assert (shown.deletion_id, shown.HasField("delete_time")) == (answer.deletion_id, True)


async def test_deleting_again_changes_nothing_and_takes_what_is_new(stub: Any) -> None:
    first = await call(stub, "DeleteMetrics", metric_ids=["m1"])
    again = await call(stub, "DeleteMetrics", metric_ids=["m1"])
    assert (again.deletion_id, again.deleted_count) == ("", 0)
    more = await call(stub, "DeleteMetrics", metric_ids=["m1", "m2"])
    assert more.deleted_count == 1
    shown = (await call(stub, "GetMetric", metric_id="m1", show_deleted=True)).metric
    assert shown.deletion_id == first.deletion_id


async def test_undeleting_restores_what_went_with_that_deletion(stub: Any) -> None:
    before = (await call(stub, "GetMetric", metric_id="m2")).metric
    first = await call(stub, "DeleteMetrics", metric_ids=["m1"])
    second = await call(stub, "DeleteMetrics", metric_ids=["m2", "m3"])
    assert (await call(stub, "UndeleteMetrics", deletion_id=second.deletion_id)).restored_count == 2
    assert await ids(stub) == ["m0", "m2", "m3", "m4"]
    assert (await call(stub, "GetMetric", metric_id="m2")).metric == before
    for unknown in (second.deletion_id, "never"):
        with pytest.raises(DeletionNotFound):
            await call(stub, "UndeleteMetrics", deletion_id=unknown)
    assert (await call(stub, "UndeleteMetrics", deletion_id=first.deletion_id)).restored_count == 1


async def test_one_that_was_never_stored_leaves_all_as_they_are(stub: Any, database: Database) -> None:
    with pytest.raises(MetricNotFound) as refusal:
        await call(stub, "DeleteMetrics", metric_ids=["m1", "unknown"])
    assert refusal.value.metadata["metric_id"] == "unknown"
    assert len(await ids(stub)) == 5
    assert [kind for kind, _ in entries(database, "metrics/default")] == ["metric.stored"]


async def test_one_that_is_stored_again_is_no_longer_of_the_deletion(stub: Any) -> None:
    answer = await call(stub, "DeleteMetrics", metric_ids=["m1", "m2"])
    await stub.StoreMetrics(
        metric_service_pb2.StoreMetricsRequest(
            metrics=[metric_service_pb2.MetricInput(metric_id="m1", type="New")]
        )
    )
    assert (await call(stub, "UndeleteMetrics", deletion_id=answer.deletion_id)).restored_count == 1
    assert (await call(stub, "GetMetric", metric_id="m1")).metric.type == "New"


async def test_the_same_key_deletes_once(stub: Any) -> None:
    first = await call(stub, "DeleteMetrics", metric_ids=["m1"], idempotency_key="k")
    await call(stub, "UndeleteMetrics", deletion_id=first.deletion_id, idempotency_key="k")
    assert await call(stub, "DeleteMetrics", metric_ids=["m1"], idempotency_key="k") == first
    assert "m1" in await ids(stub)
    with pytest.raises(IdempotencyKeyReused):
        await call(stub, "DeleteMetrics", metric_ids=["m2"], idempotency_key="k")


async def test_eight_who_delete_at_once_delete_each_once(stub: Any, database: Database) -> None:
    answers = await asyncio.gather(
        *(call(stub, "DeleteMetrics", metric_ids=["m1", "m2", "m3"]) for _ in range(8))
    )
    assert sorted(answer.deleted_count for answer in answers) == [0] * 7 + [3]
    assert [kind for kind, _ in entries(database, "metrics/default")] == ["metric.stored", "metric.deleted"]
    assert await flaws(database) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"metric_ids": []},
        {"metric_ids": ["m1", "m1"]},
        {"metric_ids": ["a b"]},
        {"metric_ids": [f"m{number}" for number in range(1001)]},
        {"metric_ids": ["m1"], "user": "x" * 256},
        {"metric_ids": ["m1"], "idempotency_key": "\n"},
    ],
    ids=["none", "twice", "blank inside", "1001", "long user", "control character in the key"],
)
async def test_what_breaks_a_rule_is_refused(stub: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        await call(stub, "DeleteMetrics", **fields)


async def test_a_page_token_belongs_to_one_of_the_two_lists(stub: Any) -> None:
    token = (await call(stub, "ListMetrics", page_size=1, show_deleted=True)).next_page_token
    with pytest.raises(InvalidPageToken):
        await call(stub, "ListMetrics", page_size=1, page_token=token)


async def test_deleted_metrics_are_purged_when_their_time_is_over(stub: Any, database: Database) -> None:
    answer = await call(stub, "DeleteMetrics", metric_ids=["m1", "m2"])
    retention = Retention("metrics", in_days(30), partial(deleting.purge_deleted, database.now))
    for days, purged in ((29, 0), (31, 2)):

        def clock(connection: Connection, later: timedelta = timedelta(days=days)) -> datetime:
            return database.now(connection) + later

        assert await purge_all(database, retention, clock) == purged
    with pytest.raises(MetricNotFound):
        await call(stub, "GetMetric", metric_id="m1", show_deleted=True)
    with pytest.raises(DeletionNotFound):
        await call(stub, "UndeleteMetrics", deletion_id=answer.deletion_id)
    assert await ids(stub, show_deleted=True) == ["m0", "m3", "m4"]
    assert entries(database, "metrics/default")[-1] == ("metric.purged", {"count": 2, "because": "deleted"})
    assert await flaws(database) == []
