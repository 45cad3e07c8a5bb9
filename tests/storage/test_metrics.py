"""MetricService on the wire: stored once, replaced by id, read back, counted, exported, audited, purged."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from sqlalchemy import event, update

from consensus.v1 import metric_service_pb2 as pb
from consensus.v1.metric_service_pb2_grpc import MetricServiceStub, add_MetricServiceServicer_to_server
from consensus_contract.errors import IdempotencyKeyReused, MetricNotFound
from consensus_journal import FIRST_PREVIOUS_HASH, entry_hash
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken
from persistence_service.audit.repository import stream
from persistence_service.database import Database
from persistence_service.metrics import deleting
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.metrics.tables import MetricRow
from persistence_service.paging.tokens import Signing
from tests.support.serving import once_per_key, served, struct

WRITERS = 16


def metric(metric_id: str = "", kind: str = "", org: str = "", **data: Any) -> pb.MetricInput:
    return pb.MetricInput(metric_id=metric_id, type=kind, org_id=org, data=struct(**data))


def servicer(database: Database) -> MetricServicer:
    return MetricServicer(database, Signing(database), once_per_key(database))


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    async with served(add_MetricServiceServicer_to_server, servicer(database)) as channel:
        yield MetricServiceStub(channel)


@pytest.fixture
async def second_stub(second_database: Database) -> AsyncIterator[Any]:
    async with served(add_MetricServiceServicer_to_server, servicer(second_database)) as channel:
        yield MetricServiceStub(channel)


async def store(
    stub: Any, *metrics: pb.MetricInput, user: str = "", key: str = ""
) -> pb.StoreMetricsResponse:
    request = pb.StoreMetricsRequest(metrics=metrics, user=user, idempotency_key=key)
    response: pb.StoreMetricsResponse = await stub.StoreMetrics(request)
    return response


async def get(stub: Any, metric_id: str) -> pb.Metric:
    with contract_errors():
        found: pb.Metric = (await stub.GetMetric(pb.GetMetricRequest(metric_id=metric_id))).metric
    return found


async def listed(stub: Any, page_size: int = 100, **wanted: Any) -> list[str]:
    """The ids on all pages of what a filter leaves."""
    found: list[str] = []
    request = pb.ListMetricsRequest(page_size=page_size, filter=pb.MetricFilter(**wanted))
    while True:
        page = await stub.ListMetrics(request)
        found += [each.metric_id for each in page.metrics]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_a_metric_is_read_back_as_it_was_stored(stub: Any) -> None:
    await store(stub, metric("m1", "latency", "acme", p50=1.5, tags=["a"]), user="ann")
    found = await get(stub, "m1")
    assert (found.type, found.org_id, found.user) == ("latency", "acme", "ann")
    assert found.data == struct(p50=1.5, tags=["a"])
    assert found.create_time == found.update_time


async def test_what_is_not_said_has_its_default(stub: Any) -> None:
    response = await store(stub, pb.MetricInput())
    found = await get(stub, response.metric_ids[0])
    assert (found.type, found.org_id, found.user, found.data) == ("unknown", "", "", Struct())


async def test_the_answer_counts_and_names_what_was_stored(stub: Any) -> None:
    response = await store(stub, metric("b"), metric(), metric("a"))
    assert response.stored_count == 3
    assert (response.metric_ids[0], response.metric_ids[2]) == ("b", "a")
    assert set(await listed(stub)) == set(response.metric_ids)


async def test_a_metric_with_a_known_id_is_replaced_and_stays_where_it_was(stub: Any) -> None:
    await store(stub, metric("m1", "old", "acme", n=1), user="ann")
    first = await get(stub, "m1")
    await store(stub, metric("m2"))
    response = await store(stub, metric("m1", "new", n=2), user="ben")
    found = await get(stub, "m1")
    assert response.stored_count == 1
    assert (found.type, found.org_id, found.user, found.data) == ("new", "", "ben", struct(n=2))
    assert found.create_time == first.create_time
    assert found.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    assert await listed(stub) == ["m2", "m1"]


async def test_an_id_that_was_deleted_is_stored_anew(database: Database, stub: Any) -> None:
    await store(stub, metric("m1"))
    before = await get(stub, "m1")
    database.unit_of_work(
        lambda connection: connection.execute(
            update(MetricRow).values(delete_time=database.now(connection), deletion_id="d1")
        )
    )
    with pytest.raises(MetricNotFound):
        await get(stub, "m1")
    assert await listed(stub) == []
    await store(stub, metric("m1"))
    assert (await get(stub, "m1")).create_time.ToNanoseconds() > before.create_time.ToNanoseconds()


async def test_a_metric_that_is_not_there_is_not_found(stub: Any) -> None:
    with pytest.raises(MetricNotFound) as caught:
        await get(stub, "m1")
    assert caught.value.metadata["metric_id"] == "m1"


async def test_a_batch_with_one_bad_metric_stores_none(stub: Any) -> None:
    with pytest.raises(InvalidField) as caught, contract_errors():
        await store(stub, metric("m1"), metric("m2", text="a\0b"))
    assert caught.value.field_violations[0].field == "metrics[1].data"
    assert await listed(stub) == []


async def test_an_id_twice_in_a_batch_is_refused_by_name(stub: Any) -> None:
    with pytest.raises(InvalidField) as caught, contract_errors():
        await store(stub, metric("a"), metric(), metric(), metric("a"))
    assert caught.value.field_violations[0].field == "metrics[3].metric_id"


async def test_a_repeated_call_with_its_key_stores_once_and_answers_as_it_did(stub: Any) -> None:
    first = await store(stub, metric(n=1), metric(n=2), key="k")
    assert await store(stub, metric(n=1), metric(n=2), key="k") == first
    assert len(await listed(stub)) == 2


async def test_a_key_with_another_request_is_refused_and_nothing_written(stub: Any) -> None:
    await store(stub, metric(n=1), key="k")
    with pytest.raises(IdempotencyKeyReused), contract_errors():
        await store(stub, metric(n=2), key="k")
    with pytest.raises(IdempotencyKeyReused), contract_errors():
        await store(stub, metric(n=1), user="ann", key="k")
    assert len(await listed(stub)) == 1


async def test_one_batch_by_many_at_once_under_one_key_is_stored_once(stub: Any, second_stub: Any) -> None:
    stubs = [stub, second_stub] * 4
    answers = await asyncio.gather(*(store(each, metric(n=1), metric(n=2), key="k") for each in stubs))
    assert all(answer == answers[0] for answer in answers)
    assert len(await listed(stub)) == 2


async def test_sixteen_writers_of_a_hundred_metrics_store_them_all(stub: Any, second_stub: Any) -> None:
    async def write(writer: int) -> int:
        count = 0
        for start in range(0, 100, 20):
            batch = [metric(f"w{writer}-{number}", "load") for number in range(start, start + 20)]
            count += (await store((stub, second_stub)[writer % 2], *batch)).stored_count
        return count

    assert await asyncio.gather(*map(write, range(WRITERS))) == [100] * WRITERS
    stats = await stub.GetMetricStats(pb.GetMetricStatsRequest())
    assert (stats.metric_count, stats.type_count) == (1600, 1)


async def test_writers_of_the_same_ids_do_not_stand_in_one_another_s_way(stub: Any, second_stub: Any) -> None:
    ids = [f"m{number}" for number in range(30)]

    async def write(writer: int) -> None:
        order = ids if writer % 3 else ids[::-1]
        await store((stub, second_stub)[writer % 2], *(metric(each, n=writer) for each in order))

    await asyncio.gather(*map(write, range(WRITERS)))
    assert len(await listed(stub)) == 30


async def test_pages_come_newest_first_without_repeating_or_skipping(stub: Any) -> None:
    for number in range(7):
        await store(stub, metric(f"m{number}"), metric(f"n{number}"))
    expected = [f"{letter}{number}" for number in range(6, -1, -1) for letter in "nm"]
    first = await stub.ListMetrics(pb.ListMetricsRequest(page_size=5))
    await store(stub, metric("new"))
    rest = await stub.ListMetrics(pb.ListMetricsRequest(page_size=50, page_token=first.next_page_token))
    assert [each.metric_id for each in (*first.metrics, *rest.metrics)] == expected


async def test_a_token_of_another_filter_is_refused(stub: Any) -> None:
    await store(stub, metric(), metric())
    page = await stub.ListMetrics(pb.ListMetricsRequest(page_size=1))
    other = pb.ListMetricsRequest(filter=pb.MetricFilter(type="x"), page_token=page.next_page_token)
    with pytest.raises(InvalidPageToken), contract_errors():
        await stub.ListMetrics(other)


FILTERS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("none", {}, ["d", "c", "b", "a"]),
    ("type", {"type": "x"}, ["c", "a"]),
    ("user", {"user": "ann"}, ["b", "a"]),
    ("organisation", {"org_id": "acme"}, ["d", "a"]),
    ("data", {"data": struct(tags=["p"])}, ["d", "b"]),
    ("all must hold", {"user": "ann", "org_id": "acme", "type": "x", "data": struct(n=1)}, ["a"]),
    ("nobody has it", {"user": "nobody"}, []),
]


@pytest.mark.parametrize(
    ("wanted", "expected"), [each[1:] for each in FILTERS], ids=[each[0] for each in FILTERS]
)
async def test_a_filter_leaves_the_rest_out(stub: Any, wanted: dict[str, Any], expected: list[str]) -> None:
    await store(stub, metric("a", "x", "acme", n=1), metric("b", "y", tags=["p", "q"]), user="ann")
    await store(stub, metric("c", "x", "other"), metric("d", "z", "acme", tags=["p"]), user="ben")
    assert await listed(stub, page_size=1, **wanted) == expected


async def test_a_time_window_includes_both_ends(stub: Any) -> None:
    for name in "abc":
        await store(stub, metric(name))
    instant = (await get(stub, "b")).create_time
    assert await listed(stub, create_time_from=instant, create_time_to=instant) == ["b"]


async def test_stats_count_per_type(stub: Any) -> None:
    await store(stub, metric(kind="b"), metric(kind="a"), metric(kind="b"), metric(), user="ann")
    stats = await stub.GetMetricStats(pb.GetMetricStatsRequest())
    assert [(each.type, each.metric_count) for each in stats.types] == [("a", 1), ("b", 2), ("unknown", 1)]
    assert (stats.metric_count, stats.type_count) == (4, 3)


async def test_an_export_has_all(stub: Any) -> None:
    await store(stub, *(metric(f"m{number:03}") for number in range(250)))
    exported = [message.metric.metric_id async for message in stub.ExportMetrics(pb.ExportMetricsRequest())]
    assert exported == [f"m{number:03}" for number in range(249, -1, -1)]


async def test_other_tenants_metrics_are_their_own(database: Database, stub: Any) -> None:
    await store(stub, metric("m1"))
    database.unit_of_work(lambda connection: connection.execute(update(MetricRow).values(tenant="another")))
    with pytest.raises(MetricNotFound):
        await get(stub, "m1")
    assert await listed(stub) == []
    assert (await stub.GetMetricStats(pb.GetMetricStatsRequest())).metric_count == 0


async def test_a_batch_leaves_one_chained_entry_that_holds_no_content(database: Database, stub: Any) -> None:
    await store(stub, metric("a", secret="canary"), metric("b"), user="ann")
    await store(stub, metric("a"))
    (found,) = database.unit_of_work(lambda connection: stream(connection, "default", "metrics/default"))
    first, second = found.entries
    assert [(each.event_type, each.data, each.user) for each in found.entries] == [
        ("metric.stored", {"count": 2}, "ann"),
        ("metric.stored", {"count": 1}, ""),
    ]
    assert first.payload_digest != second.payload_digest
    assert (first.previous_hash, second.previous_hash) == (FIRST_PREVIOUS_HASH, entry_hash(first))
    assert found.head is not None
    assert (found.head.sequence, found.head.hash) == (2, entry_hash(second))


async def test_every_batch_of_many_writers_has_its_entry_and_time_rises(
    database: Database, stub: Any, second_stub: Any
) -> None:
    await asyncio.gather(*(store((stub, second_stub)[n % 2], metric(f"m{n}")) for n in range(WRITERS)))
    (found,) = database.unit_of_work(lambda connection: stream(connection, "default", "metrics/default"))
    assert [each.sequence for each in found.entries] == list(range(1, WRITERS + 1))
    times = [each.event_time_us for each in found.entries]
    assert times == sorted(times)
    for before, after in zip(found.entries, found.entries[1:], strict=False):
        assert after.previous_hash == entry_hash(before)


async def test_old_metrics_are_purged_a_few_at_a_time_with_an_entry_each(
    database: Database, stub: Any
) -> None:
    await store(stub, *(metric(f"m{number}") for number in range(5)))
    old = database.unit_of_work(database.now, read_only=True)
    await store(stub, metric("m0"), metric("new"))
    purge = partial(deleting.purge_stored, database.now)
    counts = [
        database.unit_of_work(lambda connection: purge(connection, old, 3), isolation="READ COMMITTED")
        for _ in range(3)
    ]
    assert counts == [3, 1, 0]
    assert await listed(stub) == ["new", "m0"]
    (found,) = database.unit_of_work(lambda connection: stream(connection, "default", "metrics/default"))
    purged = [each.data for each in found.entries if each.event_type == "metric.purged"]
    assert purged == [{"count": 3, "because": "age"}, {"count": 1, "because": "age"}]


async def test_a_full_batch_is_stored_by_one_statement(database: Database, stub: Any) -> None:
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement)
    )
    assert (await store(stub, *(metric() for _ in range(1000)))).stored_count == 1000
    assert sum(each.startswith("INSERT INTO metrics ") for each in statements) == 1
    assert len(await listed(stub)) == 1000
