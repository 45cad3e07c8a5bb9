"""Who worked through an outage gets its run back before another process may take it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from consensus_contract.errors import DatabaseUnavailable, LeaseLost
from persistence_service.database import Database
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.write.writing import Outage, Writing
from tests.support.records import Service, happy_records

LEASE_SECONDS = 1.0
LEASE = timedelta(seconds=LEASE_SECONDS)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    """A service with short leases."""
    async with Service(database, RunOptions(lease_seconds=LEASE_SECONDS, watch_poll_seconds=0.05)) as service:
        yield service


async def outage(service: Service, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Nothing can be written for so long."""
    writer, back = service.runs.writer, threading.Event()
    service.database.condition.on_change(lambda up: back.set() if up else back.clear())
    with monkeypatch.context() as patch:

        def refuse(*_arguments: object, **_options: object) -> None:
            raise DatabaseUnavailable

        patch.setattr("persistence_service.database.dedicated._write_something", refuse)
        writer._suspect()
        await asyncio.sleep(seconds)
        assert not service.database.available
        with pytest.raises(DatabaseUnavailable):
            await service.queued()
    async with asyncio.timeout(10):
        await asyncio.to_thread(back.wait)


async def test_the_returning_owner_records_what_it_has_in_hand(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.created() as worker:
        await outage(service, monkeypatch, 3 * LEASE_SECONDS)
        assert await service.claim() == []
        async with service.attached(worker.run_id, worker.token, "me") as returned:
            assert (await returned.record(happy_records()[0])).record_id == 2


async def test_whose_owner_does_not_return_is_granted_one_lease_later(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.created() as worker:
        await outage(service, monkeypatch, 2 * LEASE_SECONDS)
        assert await service.claim() == []
        await asyncio.sleep(LEASE_SECONDS)
        assert [each.run_id for each in await service.claim()] == [worker.run_id]
        with pytest.raises(LeaseLost):
            await worker.record(happy_records()[0])


async def test_what_was_abandoned_before_the_outage_is_granted_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
        await outage(service, monkeypatch, LEASE_SECONDS / 2)
        assert [each.run_id for each in await service.claim()] == [worker.run_id]


class Seconds:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_an_outage_soon_after_another_is_one_with_it(database: Database) -> None:
    clock = Seconds()
    writing = Writing(database, clock)
    for begins, ends in ((0.0, 10.0), (10.5, 20.0)):
        clock.now = begins
        writing.failed("the disk is full")
        clock.now = ends
        writing.returned(NOON + timedelta(seconds=ends), "", LEASE)
    now = NOON + timedelta(seconds=20)
    assert writing.outage(now, LEASE) == Outage(NOON, now)
    assert writing.outage(now + LEASE, LEASE) is None
