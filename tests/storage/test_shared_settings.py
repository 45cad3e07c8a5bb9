"""Settings that runs share are stored once, whoever writes them, and read with each run."""

import asyncio
from typing import Any

from sqlalchemy import Connection, func, select

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from consensus_rpc.channel.status import contract_errors
from persistence_service.database import Database
from persistence_service.runs.form.tables import SETTINGS
from tests.support.records import Service, new_id, scope, specification


def settings_count(database: Database, tenant: str = "default") -> int:
    def count(connection: Connection) -> int:
        of_tenant = select(func.count()).select_from(SETTINGS).where(SETTINGS.c.tenant == tenant)
        return connection.execute(of_tenant).scalar_one()

    return database.unit_of_work(count, read_only=True)


async def create(service: Service, tenant: str = "default", **changes: Any) -> run_pb2.Run:
    request = persistence_service_pb2.CreateRunRequest(
        scope=scope(tenant), run_id=new_id(), specification=specification(**changes)
    )
    with contract_errors():
        return (await service.stub.CreateRun(request)).run


async def test_runs_with_the_same_settings_share_one_row(service: Service) -> None:
    await asyncio.gather(*(create(service, idea=f"Idea {n}.", draft_id=f"d-{n}") for n in range(20)))
    assert settings_count(service.database) == 1


async def test_other_settings_are_another_row_in_the_same_batch_too(service: Service) -> None:
    await asyncio.gather(*(create(service, expand_model=f"m-{n % 3}") for n in range(20)))
    assert settings_count(service.database) == 3


async def test_each_run_is_read_with_its_own_settings_and_draft(service: Service) -> None:
    created = [
        await create(service, expand_model=f"m-{n % 2}", draft_id=f"d-{n}" if n else "") for n in range(4)
    ]
    for n, run in enumerate(created):
        wanted = specification(expand_model=f"m-{n % 2}", draft_id=f"d-{n}" if n else "")
        assert (await service.run(run.run_id)).specification == wanted
    listed = await service.stub.ListRuns(persistence_service_pb2.ListRunsRequest(scope=scope()))
    assert [each.specification for each in listed.runs] == [run.specification for run in reversed(created)]


async def test_tenants_share_no_settings(service: Service) -> None:
    here, there = await create(service), await create(service, "another")
    assert settings_count(service.database) == settings_count(service.database, "another") == 1
    assert (await service.run(there.run_id, "another")).specification == here.specification


async def test_two_processes_at_once_write_new_settings_once(
    service: Service, second_service: Service
) -> None:
    for n in range(5):
        await asyncio.gather(*(create(each, review_model=f"m-{n}") for each in [service, second_service] * 5))
    assert settings_count(service.database) == 5
