"""What has grown old is deleted in the background, a batch at a time, and counted."""

import asyncio
import threading
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection

from consensus_contract.errors import DatabaseUnavailable
from persistence_service.database import Database
from persistence_service.housekeeping.purging import BATCH, Retention, in_days, purge_all, purge_for_ever


class Rows:
    """Rows that are there to be purged."""

    def __init__(self, *batches: int | Exception) -> None:
        self._batches = list(batches)
        self.asked: list[tuple[datetime, int]] = []
        self.drained = threading.Event()

    def purge_some(self, _connection: Connection, before: datetime, max_count: int) -> int:
        self.asked.append((before, max_count))
        if not self._batches:
            self.drained.set()
        batch = self._batches.pop(0) if self._batches else 0
        if isinstance(batch, Exception):
            raise batch
        return batch


def counted(table: str) -> float:
    return REGISTRY.get_sample_value("consensus_rows_purged_total", {"table": table}) or 0.0


async def test_batches_are_purged_until_nothing_is_old(database: Database) -> None:
    rows, before = Rows(BATCH, BATCH, 3), counted("events")
    assert await purge_all(database, Retention("events", in_days(30), rows.purge_some)) == 2 * BATCH + 3
    assert [count for _, count in rows.asked] == [BATCH] * 4
    assert counted("events") - before == 2 * BATCH + 3


async def test_old_is_older_than_so_many_days(database: Database) -> None:
    rows = Rows()
    begin = database.unit_of_work(database.now, read_only=True)
    await purge_all(database, Retention("events", in_days(30), rows.purge_some))
    end = database.unit_of_work(database.now, read_only=True)
    ((before, _),) = rows.asked
    assert begin <= before + timedelta(days=30) <= end


async def test_what_is_kept_for_ever_is_never_asked_for(database: Database) -> None:
    rows = Rows(1)
    await asyncio.wait_for(purge_for_ever(database, [Retention("events", in_days(0), rows.purge_some)], 0), 5)
    assert rows.asked == []


async def test_a_failed_round_is_tried_again_and_harms_no_other_table(database: Database) -> None:
    failing, fine = Rows(DatabaseUnavailable(), 7), Rows(5)
    before = counted("metrics"), counted("events")
    retentions = [
        Retention("metrics", in_days(1), failing.purge_some),
        Retention("events", in_days(1), fine.purge_some),
    ]
    task = asyncio.create_task(purge_for_ever(database, retentions, 0.001))
    for rows in (failing, fine):
        assert await asyncio.to_thread(rows.drained.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (counted("metrics"), counted("events")) == (before[0] + 7, before[1] + 5)
