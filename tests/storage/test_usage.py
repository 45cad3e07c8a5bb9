"""What was spent, summed: by whatever is asked for, whatever became of calls and runs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import Connection, func, select, update

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, panel_pb2, run_event_pb2, usage_service_pb2, usage_service_pb2_grpc
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.paging.tokens import Signing
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.usage_tables import USAGE
from persistence_service.runs.write.purging import purge_ended
from persistence_service.usage.servicer import UsageServicer
from tests.support.records import Service, Worker, attempt, failure, new_id, record, scope, usage
from tests.support.serving import served

G = usage_service_pb2
STARTED, FAILED = attempt_pb2.ATTEMPT_STATE_STARTED, attempt_pb2.ATTEMPT_STATE_FAILED
SUCCEEDED, UNKNOWN = attempt_pb2.ATTEMPT_STATE_SUCCEEDED, attempt_pb2.ATTEMPT_STATE_UNKNOWN
PRICE = "ab" * 8


def usd(micros: int) -> attempt_pb2.Cost:
    return attempt_pb2.Cost(currency="USD", micros=micros)


def call(
    number: int,
    state: attempt_pb2.AttemptState.ValueType,
    *,
    most: int | None = 1_000,
    cost: int | None = None,
    step: str = "expand",
    status: int = 0,
    latency: float | None = 0.5,
    tokens: panel_pb2.TokenUsage | None = None,
) -> attempt_pb2.Attempt:
    message = attempt(step, number, state, http_status=status, usage=tokens)
    if most is not None:
        message.most_cost.CopyFrom(usd(most))
        message.price_version = PRICE
    if cost is not None:
        message.cost.CopyFrom(usd(cost))
    if latency is not None and state in (SUCCEEDED, FAILED):
        message.latency.CopyFrom(Duration(nanos=int(latency * 1e9)))
    return message


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    servicer = UsageServicer(database, Signing(database))
    async with served(usage_service_pb2_grpc.add_UsageServiceServicer_to_server, servicer) as channel:
        yield usage_service_pb2_grpc.UsageServiceStub(channel)


async def sums(
    stub: Any, *group_by: G.UsageGrouping.ValueType, wanted: usage_service_pb2.UsageFilter | None = None
) -> list[usage_service_pb2.Usage]:
    with contract_errors():
        return list((await stub.GetUsage(G.GetUsageRequest(filter=wanted, group_by=group_by))).usage)


async def set_started(database: Database, run_id: str, instant: datetime) -> None:
    def move(connection: Connection) -> None:
        connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.run_id == run_id).values(start_time=instant))

    await database.run(move, resource="attempts", tenant=EVERY_TENANT)


async def spent(worker: Worker) -> None:
    """A run whose calls ended in each of the ways in which calls end."""
    calls = [
        call(1, SUCCEEDED, cost=70, tokens=usage()),
        call(2, FAILED, cost=30, tokens=usage(), status=200),
        call(3, FAILED, status=429),  # refused: nobody bills that
        call(4, FAILED),  # timed out: who knows
        call(5, UNKNOWN),
        call(6, FAILED, latency=None),  # never left
        call(7, STARTED),
        call(8, SUCCEEDED, most=None, tokens=usage()),  # of no known price
    ]
    await worker.record(record(2, attempts=calls))


async def test_calls_of_every_end_are_summed_and_unknown_prices_are_not_nothing(
    service: Service, stub: Any
) -> None:
    async with service.created() as worker:
        await spent(worker)
        unpriced, priced = await sums(stub)
        assert (priced.currency, priced.cost_micros, priced.uncertain_micros) == ("USD", 100, 3_000)
        assert (priced.call_count, priced.uncertain_call_count) == (6, 3)
        assert (priced.input_tokens, priced.cached_tokens, priced.reasoning_tokens) == (1_800, 1_400, 20)
        assert (unpriced.currency, unpriced.cost_micros) == ("", 0)
        assert (unpriced.call_count, unpriced.uncertain_call_count) == (1, 1)


async def test_groups_and_filters_go_together(service: Service, stub: Any) -> None:
    async with (
        service.created(scope=scope(caller="a")) as one,
        service.created(scope=scope(caller="b")) as other,
    ):
        review = call(1, SUCCEEDED, cost=5, step="review_critic")
        await one.record(record(2, attempts=[call(1, SUCCEEDED, cost=7), review]))
        await other.record(record(2, attempts=[call(1, SUCCEEDED, cost=11)]))
        by_caller = await sums(stub, G.USAGE_GROUPING_CALLER)
        assert [(each.caller, each.cost_micros) for each in by_caller] == [("a", 12), ("b", 11)]
        by_step = await sums(stub, G.USAGE_GROUPING_STEP, wanted=G.UsageFilter(caller="a"))
        assert [(each.step, each.cost_micros) for each in by_step] == [("expand", 7), ("review_critic", 5)]
        persona = await sums(stub, G.USAGE_GROUPING_RUN, wanted=G.UsageFilter(persona_id="critic"))
        assert [(each.run_id, each.cost_micros) for each in persona] == [(one.run_id, 5)]
        of_run = await sums(stub, G.USAGE_GROUPING_USER, wanted=G.UsageFilter(run_id=other.run_id))
        assert [(each.user, each.cost_micros) for each in of_run] == [("u-1", 11)]
        assert await sums(stub, wanted=G.UsageFilter(user="u-2")) == []


async def test_a_call_counts_for_the_day_in_utc_on_which_it_began(
    service: Service, stub: Any, database: Database
) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for instant, cost in ((midnight, 1), (midnight - timedelta(microseconds=1), 10)):
        async with service.created() as worker:
            await worker.record(record(2, attempts=[call(1, SUCCEEDED, cost=cost)]))
        await set_started(database, worker.run_id, instant)
    by_day = await sums(stub, G.USAGE_GROUPING_DAY)
    today, yesterday = midnight.date(), midnight.date() - timedelta(days=1)
    assert [(each.day, each.cost_micros) for each in by_day] == [(f"{today}", 1), (f"{yesterday}", 10)]
    last = G.UsageFilter(last_day=f"{yesterday}")
    assert [each.cost_micros for each in await sums(stub, wanted=last)] == [10]


async def test_pages_go_on_where_they_ended_and_only_with_the_same_question(
    service: Service, stub: Any
) -> None:
    for cost in range(5):
        async with service.created() as worker:
            await worker.record(record(2, attempts=[call(1, SUCCEEDED, cost=cost)]))
    groups = [G.USAGE_GROUPING_DAY, G.USAGE_GROUPING_RUN]
    whole = await sums(stub, *groups)
    request, found = G.GetUsageRequest(group_by=groups, page_size=2), []
    with contract_errors():
        while True:
            page = await stub.GetUsage(request)
            found += page.usage
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    assert found == whole
    assert len(whole) == 5
    with pytest.raises(InvalidPageToken), contract_errors():
        await stub.GetUsage(G.GetUsageRequest(page_token=request.page_token))


async def test_purging_a_run_keeps_its_sums_and_nothing_else(
    service: Service, stub: Any, database: Database
) -> None:
    everything = [*G.UsageGrouping.values()][1:]
    async with service.created() as worker:
        await spent(worker)
        await worker.record(record(3, run_event_pb2.RunFailed(failure=failure())))
    before = await sums(stub, *everything)
    assert before
    purge = partial(purge_ended, database.now)
    later = datetime.now(UTC) + timedelta(days=1)
    assert (
        await database.run(
            lambda c: purge(c, later, 10), isolation="READ COMMITTED", resource="runs", tenant=EVERY_TENANT
        )
        == 1
    )
    assert await sums(stub, *everything) == before

    def left(connection: Connection) -> tuple[int, int]:
        counts = (select(func.count()).select_from(table) for table in (ATTEMPTS, USAGE))
        attempts, kept = (connection.execute(each).scalar_one() for each in counts)
        return attempts, kept

    assert await database.run(left, read_only=True, resource="usage", tenant=EVERY_TENANT) == (0, len(before))


async def test_of_an_expansion_too(service: Service, stub: Any) -> None:
    expansion_id = new_id()
    request = persistence_service_pb2.RecordExpansionRequest(
        scope=scope(caller="x"), expansion_id=expansion_id, attempts=[call(1, SUCCEEDED, cost=9)]
    )
    for _ in range(2):
        await service.stub.RecordExpansion(request)
    (found,) = await sums(stub, G.USAGE_GROUPING_CALLER, G.USAGE_GROUPING_RUN)
    assert (found.caller, found.run_id, found.cost_micros) == ("x", expansion_id, 9)


async def test_another_tenants_is_not_seen(service: Service, stub: Any) -> None:
    async with service.created(scope=scope("elsewhere")) as worker:
        await spent(worker)
    assert await sums(stub) == []


async def test_a_sum_beyond_64_bits_stands_at_the_largest(service: Service, stub: Any) -> None:
    largest = 2**53 - 1
    async with service.created() as worker:
        for start in range(0, 1_100, 100):
            calls = [call(start + n + 1, SUCCEEDED, most=largest, cost=largest) for n in range(100)]
            await worker.record(record(2 + start, attempts=calls))
    (found,) = await sums(stub)
    assert found.cost_micros == 2**63 - 1


async def test_an_amount_that_nothing_costs_is_refused(service: Service) -> None:
    async with service.created() as worker:
        with pytest.raises(InvalidField):
            await worker.record(record(2, attempts=[call(1, SUCCEEDED, cost=2**53)]))


async def test_an_end_that_does_not_repeat_it_keeps_what_was_set_aside(service: Service, stub: Any) -> None:
    async with service.created() as worker:
        await worker.record(record(2, attempts=[call(2, STARTED, most=400)]))
        await worker.record(record(3, attempts=[call(2, UNKNOWN, most=None)]))
        found = await sums(stub, wanted=G.UsageFilter(run_id=worker.run_id))
    assert ("USD", 400) in [(each.currency, each.uncertain_micros) for each in found]


@pytest.mark.parametrize("days", [("2026-02-30", ""), ("2026-03-02", "2026-03-01"), ("0001-01-01", "")])
async def test_what_is_no_span_of_days_is_refused(stub: Any, days: tuple[str, str]) -> None:
    first, last = days
    with pytest.raises(InvalidField):
        await sums(stub, wanted=G.UsageFilter(first_day=first, last_day=last))
