"""A SQLite file that is removed under the running service: nothing more is acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from queue import Queue

import pytest

from consensus_contract.errors import ConsensusError, DatabaseUnavailable
from persistence_service.database import Database
from tests.storage.conftest import QUICK, options_for
from tests.support.records import Service, happy_records


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    path = tmp_path / "test.db"
    path.write_bytes(sqlite_template.read_bytes())
    return path


@pytest.fixture
async def service(path: Path) -> AsyncIterator[Service]:
    database = Database(options_for(f"sqlite:///{path}"))
    await asyncio.to_thread(database.open)
    async with Service(database, QUICK) as service:
        yield service
    await asyncio.to_thread(database.close)


def move(path: Path, to: Path) -> None:
    path.rename(to)


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_nothing_is_acknowledged_once_it_is_gone(service: Service, path: Path, suffix: str) -> None:
    changes: Queue[bool] = Queue()
    service.database.condition.on_change(changes.put)
    async with service.created() as worker:
        removed = path.with_name(f"{path.name}{suffix}")
        await asyncio.to_thread(removed.unlink)
        with pytest.raises(DatabaseUnavailable):
            await worker.record(happy_records()[0])
    with pytest.raises(ConsensusError):
        await service.queued()
    while await asyncio.to_thread(changes.get, timeout=10):
        pass


async def test_another_file_in_its_place_is_not_it(service: Service, path: Path) -> None:
    await service.queued()
    await asyncio.to_thread(path.with_name("other.db").touch)
    move(path, path.with_name("elsewhere.db"))
    move(path.with_name("other.db"), path)
    with pytest.raises(DatabaseUnavailable):
        await service.queued()


async def test_the_file_itself_may_come_back(service: Service, path: Path) -> None:
    changes: Queue[bool] = Queue()
    service.database.condition.on_change(changes.put)
    await service.queued()
    away = path.with_name("elsewhere.db")
    move(path, away)
    with pytest.raises(DatabaseUnavailable):
        await service.queued()
    while await asyncio.to_thread(changes.get, timeout=10):
        pass
    move(away, path)
    while not await asyncio.to_thread(changes.get, timeout=10):
        pass
    await service.queued()
