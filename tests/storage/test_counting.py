"""What the writer commits is counted: states, leases, take-overs; open runs are counted by their index."""

from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from consensus_contract.errors import LeaseLost
from persistence_service.database import Database
from persistence_service.runs.read import open_runs
from tests.support.records import Service, Worker, happy_records


def added(name: str, **labels: str) -> Callable[[], float]:
    """What a metric has grown by since now."""
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    return lambda: (REGISTRY.get_sample_value(name, labels) or 0.0) - before


def leases(event: str) -> Callable[[], float]:
    return added("consensus_leases_total", event=event)


async def test_a_run_is_counted_once_in_each_state(service: Service) -> None:
    states = ("RUNNING", "COMPLETED", "FAILED")
    entered = [added("consensus_runs_entered_state_total", state=each, tenant="") for each in states]
    lasted = added("consensus_run_duration_seconds_count", state="COMPLETED")
    waited = added("consensus_run_queue_seconds_count")
    granted = leases("granted")

    async with service.created() as worker:
        for each in happy_records():
            await worker.record(each)

    assert [count() for count in entered] == [1, 1, 0]
    assert (lasted(), waited(), granted()) == (1, 1, 1)


async def test_a_take_over_is_counted_by_how_the_lease_had_ended(service: Service) -> None:
    expired = added("consensus_run_take_overs_total", cause="expired")
    released = added("consensus_run_take_overs_total", cause="released")
    lost, given_back = leases("lost"), leases("released")

    async with service.created() as worker:
        await service.abandon(worker.run_id)
        await service.claim()
        async with Worker(service) as late:
            with pytest.raises(LeaseLost):
                await late.attach(worker.run_id, worker.token, "me")
    async with service.created() as worker:
        worker.send(release_lease={})
        await worker.answer()
    await service.claim()

    assert (expired(), released()) == (1, 1)
    assert (lost(), given_back()) == (1, 1)


async def test_open_runs_are_counted_by_state_with_the_age_of_the_oldest(
    service: Service, database: Database
) -> None:
    def shown(name: str, **labels: str) -> float:
        database.unit_of_work(lambda connection: open_runs.show(connection, database.now(connection)))
        found = REGISTRY.get_sample_value(name, labels)
        assert found is not None
        return found

    assert shown("consensus_oldest_queued_run_age_seconds") == 0
    await service.queued()
    await service.queued()
    async with service.created():
        assert shown("consensus_open_runs", state="QUEUED") == 2
        assert shown("consensus_open_runs", state="RUNNING") == 1
        assert shown("consensus_oldest_queued_run_age_seconds") > 0
