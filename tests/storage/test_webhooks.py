"""The end of a run is written down with the run, delivered by one process at a time, until it was taken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from consensus.v1 import run_event_pb2
from consensus_contract.errors import DatabaseError
from consensus_contract.webhooks import secrets_of
from consensus_rpc.backoff import Backoff
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.housekeeping.purging import Retention, purge_all
from persistence_service.webhooks import repository
from persistence_service.webhooks.dispatcher import Dispatcher, DispatchOptions
from persistence_service.webhooks.receiver import Receiver
from persistence_service.webhooks.repository import Delivery, Settlement
from persistence_service.webhooks.tables import DELIVERIES
from tests.storage.conftest import QUICK
from tests.support.deletion import entries, finished, flaws
from tests.support.records import Service, decision, failure, new_id, record
from tests.support.rows import any_row
from tests.support.webhooks import SECRET, WebhookReceiver, status

HOLD = timedelta(seconds=60)
AT_ONCE = Backoff(first_seconds=1e-6, factor=1.0)
OPTIONS = DispatchOptions(
    timeout_seconds=60.0, retry_for=timedelta(days=1), backoff=AT_ONCE, door_url="https://door.example"
)


@pytest.fixture
async def told_service(database: Database) -> AsyncIterator[Service]:
    """A persistence service that writes down ends of runs."""
    async with Service(database, replace(QUICK, tells_ends=True)) as service:
        yield service


def rows(database: Database) -> list[Any]:
    """All webhooks, the oldest first."""
    query = select(DELIVERIES).order_by(DELIVERIES.c.create_time)
    return database.unit_of_work(lambda connection: list(connection.execute(query).all()), read_only=True)


async def change(database: Database, unit: Any) -> Any:
    return await database.run(unit, tenant=EVERY_TENANT, isolation="READ COMMITTED")


async def hold(database: Database, span: timedelta = HOLD, max_count: int = 8) -> list[Delivery]:
    def unit(connection: Connection) -> list[Delivery]:
        return repository.hold_due(connection, database.now, span, max_count)

    held: list[Delivery] = await change(database, unit)
    return held


async def settle(database: Database, settlement: Settlement) -> None:
    await change(database, lambda connection: repository.settle(connection, database.now, [settlement]))


@asynccontextmanager
async def dispatching(
    database: Database, url: str, options: DispatchOptions = OPTIONS
) -> AsyncIterator[Dispatcher]:
    receiver = Receiver(url, secrets_of(SECRET), timeout_seconds=60.0, max_connections=8)
    try:
        yield Dispatcher(database, receiver, options)
    finally:
        await receiver.close()


async def waiting_runs(service: Service, count: int) -> list[str]:
    """Runs that were cancelled, and whose webhooks wait."""
    ids = [(await service.queued()).run_id for _ in range(count)]
    for each in ids:
        await service.cancel(each)
    return ids


async def test_each_end_of_a_run_is_written_once(told_service: Service) -> None:
    service = told_service
    done = await finished(service)
    async with service.created() as worker:
        failed = run_event_pb2.RunFailed(failure=failure())
        await worker.record(record(2, failed))
        await worker.record(record(2, failed))  # sent again
    await service.resume(worker.run_id)
    await service.cancel(worker.run_id)
    await service.cancel(worker.run_id)

    told = [(row.run_id, row.message["type"], row.message["data"]["state"]) for row in rows(service.database)]
    assert told == [
        (done, "run.completed", "COMPLETED"),
        (worker.run_id, "run.failed", "FAILED"),
        (worker.run_id, "run.cancelled", "CANCELLED"),
    ]


async def test_it_says_how_a_run_ended_and_nothing_of_what_was_written(told_service: Service) -> None:
    run_id = await finished(told_service)
    run = await told_service.run(run_id)
    (row,) = rows(told_service.database)
    data, made = row.message["data"], decision()
    assert set(row.message) == {"type", "timestamp", "data"}
    assert datetime.fromisoformat(row.message["timestamp"]) == row.create_time
    assert data == {
        "tenant": "default",
        "run_id": run_id,
        "state": "COMPLETED",
        "decision": "REVISE",
        "confidence": made.overall_weighted_confidence,
        "policy": made.policy_version,
        "journal": {"sequence": run.last_sequence, "hash": data["journal"]["hash"]},
    }
    head = told_service.database.unit_of_work(
        lambda connection: connection.exec_driver_sql("SELECT head_hash FROM runs").scalar_one(),
        read_only=True,
    )
    assert data["journal"]["hash"] == bytes(head).hex()


async def test_a_failed_run_says_why_by_names_alone(told_service: Service) -> None:
    async with told_service.created() as worker:
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
    (row,) = rows(told_service.database)
    assert row.message["data"]["failure"] == {
        "reason": "LLM_TIMEOUT",
        "failed_step": "expand",
        "resumable": True,
    }


async def test_without_a_receiver_nothing_is_written(service: Service) -> None:
    await finished(service)
    assert rows(service.database) == []


async def test_a_run_ends_with_its_webhook_or_not_at_all(told_service: Service) -> None:
    """What stands where the webhook would: the end and all that is written with it are refused."""
    run_id, database = new_id(), told_service.database
    taken = [any_row(DELIVERIES, tenant="default", run_id=run_id, sequence=each) for each in range(1, 100)]
    await change(database, lambda connection: connection.execute(DELIVERIES.insert(), taken).close())
    with pytest.raises(DatabaseError):
        await finished(told_service, run_id=run_id)
    kinds = [kind for kind, _ in entries(database, f"runs/{run_id}")]
    assert "run.completed" not in kinds
    assert "decision.recorded" not in kinds


async def test_two_processes_share_what_waits(told_service: Service, second_database: Database) -> None:
    ids = await waiting_runs(told_service, 10)
    held = await asyncio.gather(
        *(hold(database, max_count=4) for database in (told_service.database, second_database))
    )
    first, second = ({each.run_id for each in some} for some in held)
    assert len(first) == len(second) == 4
    assert not first & second
    assert {each.run_id for each in await hold(second_database)} == set(ids) - first - second
    assert await hold(told_service.database) == []


async def test_what_a_process_held_that_went_away_is_anothers(
    told_service: Service, second_database: Database
) -> None:
    """And what the first makes of it afterwards counts no more."""
    await waiting_runs(told_service, 1)
    (late,) = await hold(told_service.database, timedelta())
    (again,) = await hold(second_database)
    assert (late.attempt, again.attempt) == (1, 2)
    await settle(told_service.database, Settlement(late, "status 500"))
    await settle(second_database, Settlement(again))
    (row,) = rows(second_database)
    assert (row.outcome, row.attempt_count, row.last_failure) == ("DELIVERED", 2, None)
    assert entries(second_database, "webhooks/default") == []


async def test_it_is_tried_until_it_is_taken_and_no_more(told_service: Service) -> None:
    database = told_service.database
    run_id = await finished(told_service)
    async with (
        WebhookReceiver([status(500), status(429)]).serving() as receiver,
        dispatching(database, receiver.url) as dispatcher,
    ):
        while not await dispatcher.deliver_some() or len(receiver.sent) < 3:
            pass
        assert await dispatcher.deliver_some() == []
    assert len({(sent.id, sent.body) for sent in receiver.sent}) == 1
    messages = [sent.verified() for sent in receiver.sent]
    assert [each["data"]["link"] for each in messages] == [f"https://door.example/runs/{run_id}"] * 3
    (row,) = rows(database)
    assert (row.outcome, row.attempt_count, row.last_failure) == ("DELIVERED", 3, "status 429")


async def test_one_that_cannot_be_sent_keeps_none_of_the_others(told_service: Service) -> None:
    """It is tried again, and given up in the end, as one that nobody takes."""
    database = told_service.database
    (run_id,) = await waiting_runs(told_service, 1)
    (told,) = rows(database)
    broken = {**told._asdict(), "run_id": "r-0", "message": {"type": "run.completed"}}
    await change(database, lambda connection: connection.execute(DELIVERIES.insert(), [broken]).close())
    async with (
        WebhookReceiver().serving() as receiver,
        dispatching(database, receiver.url) as dispatcher,
    ):
        await dispatcher.deliver_some()
    assert [sent.verified()["data"]["run_id"] for sent in receiver.sent] == [run_id]
    assert {row.run_id: (row.outcome, row.last_failure) for row in rows(database)} == {
        run_id: ("DELIVERED", None),
        "r-0": (None, "KeyError"),
    }


@pytest.mark.parametrize(
    ("code", "retry_for"), [(410, timedelta(days=1)), (500, timedelta())], ids=["gone", "for too long"]
)
async def test_what_is_given_up_stands_in_the_audit_trail(
    told_service: Service, code: int, retry_for: timedelta
) -> None:
    database = told_service.database
    run_id = await finished(told_service)
    options = replace(OPTIONS, retry_for=retry_for)
    async with (
        WebhookReceiver([status(code)]).serving() as receiver,
        dispatching(database, receiver.url, options) as dispatcher,
    ):
        await dispatcher.deliver_some()
        assert await dispatcher.deliver_some() == []
    (row,) = rows(database)
    assert row.outcome == "GIVEN_UP"
    data = {"run_id": run_id, "sequence": row.sequence, "attempt_count": 1, "failure": f"status {code}"}
    assert entries(database, "webhooks/default") == [("webhook.given_up", data)]
    assert await flaws(database) == []


async def test_what_was_delivered_is_purged_and_what_waits_is_not(told_service: Service) -> None:
    database = told_service.database
    _, waits = await waiting_runs(told_service, 2)
    (held,) = await hold(database, max_count=1)
    await settle(database, Settlement(held))
    retention = Retention("webhook_deliveries", timedelta(days=30), repository.purge_settled)
    assert await purge_all(database, retention) == 0

    def later(connection: Connection) -> datetime:
        return database.now(connection) + timedelta(days=30)

    assert await purge_all(database, retention, later) == 1
    assert [row.run_id for row in rows(database)] == [waits]
