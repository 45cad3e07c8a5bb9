"""No cap on spending is passed: by whatever calls, of whichever process, at any commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, errors_pb2, run_event_pb2
from consensus_contract.errors import SpendCapReached
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import Overloaded
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.caps import CALLER_DAY, RUN, TENANT_DAY, Caps, ScopeKey, TenantCaps, day_of
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.form.usage_tables import SPEND
from persistence_service.runs.write.spend_reads import _counted, purge_counters
from tests.storage.test_usage import FAILED, STARTED, SUCCEEDED, UNKNOWN, call
from tests.support.records import Service, Worker, failure, new_id, record, scope, specification

QUICK = {"watch_poll_seconds": 0.05, "batch_timeout_seconds": 20.0, "write_timeout_seconds": 30.0}


def options(version: str = "v1", *, allows_unpriced: bool = False, **caps: Any) -> RunOptions:
    found = Caps("USD", version, TenantCaps(**caps), allows_unpriced=allows_unpriced)
    return RunOptions(**QUICK, caps=found)  # type: ignore[arg-type]  # spans, all of them


def first(most: int | None) -> persistence_service_pb2.Record:
    """The expand step begins with a call of so many millionths at most."""
    return record(1, run_event_pb2.StepStarted(step="expand"), attempts=[call(1, STARTED, most=most)])


def begun(
    service: Service, most: int | None, *, caller: str = "a", tenant: str = "default"
) -> AbstractAsyncContextManager[Worker]:
    return service.created(scope=scope(tenant, caller), first_record=first(most))


async def counted(database: Database) -> dict[tuple[str, str], int]:
    """The counters by kind and name; each is what the attempts say."""

    def read(connection: Connection) -> dict[tuple[str, str], int]:
        rows = connection.execute(select(SPEND)).mappings().all()
        for row in rows:
            key = ScopeKey(*(row[name] for name in ScopeKey._fields))
            assert row["micros"] == _counted(connection, "USD", key), key
        return {(row["kind"], row["name"]): row["micros"] for row in rows}

    return await database.run(read, read_only=True, resource="spend", tenant=EVERY_TENANT)


@pytest.fixture
async def capped(database: Database) -> AsyncIterator[Service]:
    async with Service(database, options(tenant_day=1_000, caller_day=600)) as service:
        yield service


async def test_what_is_set_aside_is_replaced_by_what_was_charged(capped: Service, database: Database) -> None:
    async with begun(capped, 500) as worker:
        assert await counted(database) == {(CALLER_DAY, "a"): 500, (TENANT_DAY, ""): 500}
        await worker.record(record(2, attempts=[call(1, SUCCEEDED, most=500, cost=120)]))
        assert (await counted(database))[TENANT_DAY, ""] == 120
        await worker.record(record(3, attempts=[call(2, STARTED, most=300), call(3, STARTED, most=90)]))
        assert (await counted(database))[TENANT_DAY, ""] == 510
        refused = call(2, FAILED, most=300, status=429)
        await worker.record(record(4, attempts=[refused, call(3, UNKNOWN, most=None)]))
        assert await counted(database) == {(CALLER_DAY, "a"): 210, (TENANT_DAY, ""): 210}


async def test_a_start_that_no_cap_has_room_for_is_refused_and_nothing_is_written(
    capped: Service, database: Database
) -> None:
    async with begun(capped, 500):
        other = begun(capped, 101)
        with pytest.raises(SpendCapReached) as refused:
            await other.__aenter__()
        error = refused.value
        assert (error.metadata["cap"], error.quota[0].subject) == (CALLER_DAY, "spending: caller_day")
        tomorrow = day_of(datetime.now(UTC)) + timedelta(days=1)
        assert error.metadata["reset_time"] == f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}"
        assert 0 < (error.retry_after_seconds or 0) <= 86_400
        assert (await counted(database))[TENANT_DAY, ""] == 500
        async with begun(capped, 500, caller="b"):
            with pytest.raises(SpendCapReached) as of_tenant:
                await begun(capped, 1, caller="c").__aenter__()
            assert of_tenant.value.metadata["cap"] == TENANT_DAY
        async with begun(capped, 600, caller="c", tenant="other"):
            pass


async def test_a_call_in_the_middle_that_has_no_room_is_refused_alone_and_again_when_it_is_sent_again(
    capped: Service, database: Database
) -> None:
    async with begun(capped, 500) as worker:
        sent = record(2, attempts=[call(2, STARTED, most=100), call(3, STARTED, most=50)])
        ack = await worker.record(sent)
        (refused,) = ack.refused_attempts
        assert (refused.step, refused.attempt_number, refused.cap) == ("expand", 3, CALLER_DAY)
        assert "0.000600" in refused.message
        assert await worker.record(sent) == ack
        request = persistence_service_pb2.ListAttemptsRequest(scope=scope(), run_id=worker.run_id)
        attempts = (await capped.stub.ListAttempts(request)).attempts
        assert [each.state for each in attempts] == [STARTED, STARTED, FAILED]
        assert attempts[2].reason == errors_pb2.ERROR_REASON_SPEND_CAP_REACHED
        assert attempts[2].uncounted
        await worker.record(record(3, attempts=[call(3, FAILED, most=50, latency=None)]))
        assert (await counted(database))[CALLER_DAY, "a"] == 600


async def test_a_run_has_its_own_cap_over_all_its_days(database: Database) -> None:
    async with Service(database, options(run=700)) as service, begun(service, 400) as worker:
        await worker.record(record(2, attempts=[call(1, SUCCEEDED, most=400, cost=399)]))
        ack = await worker.record(record(3, attempts=[call(2, STARTED, most=302)]))
        assert [each.cap for each in ack.refused_attempts] == [RUN]
        assert not ack.refused_attempts[0].HasField("reset_time")
        ack = await worker.record(record(4, attempts=[call(3, STARTED, most=301)]))
        assert not ack.refused_attempts
        assert await counted(database) == {(RUN, worker.run_id): 700}


async def test_a_cap_of_nothing_allows_what_costs_nothing(database: Database) -> None:
    async with Service(database, options(tenant_day=0)) as service:
        with pytest.raises(SpendCapReached):
            await begun(service, 1).__aenter__()
        async with begun(service, 0):
            pass
        waiting = persistence_service_pb2.CreateRunRequest(
            scope=scope(), run_id=new_id(), specification=specification()
        )
        with pytest.raises(SpendCapReached), contract_errors():
            await service.stub.CreateRun(waiting)


@pytest.mark.parametrize("allows_unpriced", [False, True])
async def test_a_call_of_no_known_price_is_refused_unless_that_is_allowed(
    database: Database, allows_unpriced: bool
) -> None:
    async with Service(database, options(tenant_day=10, allows_unpriced=allows_unpriced)) as service:
        if allows_unpriced:
            async with begun(service, None):
                return
        with pytest.raises(SpendCapReached) as refused:
            await begun(service, None).__aenter__()
        assert refused.value.metadata["cap"] == "price_unknown"
        assert "reset_time" not in refused.value.metadata
        assert refused.value.retry_after_seconds is None


async def test_an_attempt_that_is_lost_with_its_process_stays_counted_at_its_most(
    capped: Service, database: Database
) -> None:
    async with begun(capped, 500) as worker:
        request = persistence_service_pb2.CancelRunRequest(scope=scope(), run_id=worker.run_id)
        await capped.stub.CancelRun(request)
    assert (await counted(database))[TENANT_DAY, ""] == 500


async def test_an_expansion_counts_as_a_run_does_once_however_often_it_is_sent(
    capped: Service, database: Database
) -> None:
    def expansion(
        attempt: attempt_pb2.Attempt, expansion_id: str
    ) -> persistence_service_pb2.RecordExpansionRequest:
        return persistence_service_pb2.RecordExpansionRequest(
            scope=scope(caller="a"), expansion_id=expansion_id, attempts=[attempt]
        )

    one, other = new_id(), new_id()
    for _ in range(2):
        answer = await capped.stub.RecordExpansion(expansion(call(1, STARTED, most=400), one))
        assert not answer.refused_attempts
    assert (await counted(database))[CALLER_DAY, "a"] == 400
    for _ in range(2):
        answer = await capped.stub.RecordExpansion(expansion(call(1, STARTED, most=201), other))
        assert [each.cap for each in answer.refused_attempts] == [CALLER_DAY]
    await capped.stub.RecordExpansion(expansion(call(1, SUCCEEDED, most=400, cost=7), one))
    assert (await counted(database))[CALLER_DAY, "a"] == 7


async def test_a_day_ends_at_midnight_in_utc_and_is_settled_on_its_own_day(
    capped: Service, database: Database
) -> None:
    midnight = day_of(datetime.now(UTC))
    async with begun(capped, 600) as worker:

        def was_yesterday(connection: Connection) -> None:
            before = midnight - timedelta(microseconds=1)
            mine = ATTEMPTS.c.run_id == worker.run_id
            connection.execute(update(ATTEMPTS).where(mine).values(start_time=before))
            connection.execute(update(SPEND).values(day=day_of(before)))

        await database.run(was_yesterday, resource="spend", tenant=EVERY_TENANT)
        async with begun(capped, 600) as today:
            await worker.record(record(2, attempts=[call(1, SUCCEEDED, most=600, cost=1)]))

            def days(connection: Connection) -> dict[datetime, int]:
                of_tenant = select(SPEND.c.day, SPEND.c.micros).where(SPEND.c.kind == TENANT_DAY)
                return {row.day: row.micros for row in connection.execute(of_tenant)}

            found = await database.run(days, read_only=True, resource="spend", tenant=EVERY_TENANT)
            assert found == {midnight - timedelta(days=1): 1, midnight: 600}
            assert today.run_id != worker.run_id
    await counted(database)


async def test_caps_that_are_set_or_changed_during_a_day_count_what_was_spent_on_it(
    database: Database,
) -> None:
    async with Service(database, options("v0")) as service, begun(service, 300) as worker:
        await worker.record(record(2, attempts=[call(1, SUCCEEDED, most=300, cost=200)]))
    async with Service(database, options("v1", tenant_day=500)) as service:
        with pytest.raises(SpendCapReached):
            await begun(service, 301).__aenter__()
        async with begun(service, 300):
            assert await counted(database) == {(TENANT_DAY, ""): 500}
    async with Service(database, options("v2", tenant_day=900)) as service, begun(service, 400):
        assert await counted(database) == {(TENANT_DAY, ""): 900}


async def test_many_at_once_at_two_processes_never_pass_a_cap(
    database: Database, second_database: Database
) -> None:
    caps = options(tenant_day=1_000, caller_day=700)
    seen: list[int] = []

    async def watch() -> None:
        while True:
            seen.extend((await counted(database)).values())
            await asyncio.sleep(0.01)

    async def spend(service: Service, number: int) -> bool:
        try:
            async with begun(service, 90 + number % 7, caller="ab"[number % 2]) as worker:
                cost = number % 60
                await worker.record(record(2, attempts=[call(1, SUCCEEDED, most=None, cost=cost)]))
        except SpendCapReached:
            return False
        return True

    async with Service(database, caps) as one:
        second = one if second_database is database else Service(second_database, caps)
        if second is not one:
            await second.__aenter__()
        watching = asyncio.create_task(watch())
        done = await asyncio.gather(*(spend((one, second)[n % 2], n) for n in range(100)))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if second is not one:
            await second.__aexit__(None, None, None)
    found = await counted(database)
    assert 10 <= sum(done) < 100
    assert max(seen) <= 1_000
    assert found[CALLER_DAY, "a"] + found[CALLER_DAY, "b"] == found[TENANT_DAY, ""]


async def test_counters_that_nobody_needs_are_removed_and_counted_anew_by_whoever_does(
    database: Database,
) -> None:
    later = datetime.now(UTC) + timedelta(days=8)

    async def purged() -> int:
        return await database.run(
            lambda c: purge_counters(c, later, 100), resource="spend", tenant=EVERY_TENANT
        )

    async with Service(database, options(run=1_000, tenant_day=1_000)) as service:
        async with begun(service, 300) as worker:
            assert await purged() == 1  # the day's: the run goes on
            assert await counted(database) == {(RUN, worker.run_id): 300}
            await worker.record(record(2, attempts=[call(2, STARTED, most=200)]))
            assert (await counted(database))[TENANT_DAY, ""] == 500
            await worker.record(record(3, run_event_pb2.RunFailed(failure=failure())))
        assert await purged() == 2
        assert await counted(database) == {}


@pytest.mark.parametrize(
    ("limits", "subject"),
    [
        ({"open_runs": 10}, "open runs of tenant default"),
        ({"caller_open_runs": 10}, "open runs of caller anonymous"),
        ({"queued_runs": 10}, "queued runs of tenant default"),
        ({"caller_queued_runs": 10}, "queued runs of caller anonymous"),
    ],
)
async def test_processes_together_keep_the_limits_of_open_runs(
    database: Database, second_database: Database, limits: dict[str, Any], subject: str
) -> None:
    own = options(**limits)
    async with Service(database, own) as one:
        second = one if second_database is database else Service(second_database, own)
        if second is not one:
            await second.__aenter__()
        asked = (service.queued() for service in (one, second) for _ in range(15))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in answers if isinstance(each, Overloaded)]
        assert len(answers) - len(refused) == 10
        assert {each.quota[0].subject for each in refused} == {subject}
        if second is not one:
            await second.__aexit__(None, None, None)
