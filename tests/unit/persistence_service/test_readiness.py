"""What a database that comes and goes does to a start."""

import asyncio
from typing import Any, cast

from consensus_contract.errors import DatabaseUnavailable
from persistence_service.database.condition import Condition
from persistence_service.readiness import follow_database


class Opened:
    """Of a database what a start sees of it."""

    available = True

    def __init__(self) -> None:
        self.condition = Condition()

    async def start(self) -> None:
        pass

    def change(self) -> None:
        self.condition.connections.set(True)


async def test_a_start_goes_on_when_the_database_that_went_away_at_once_is_back() -> None:
    database, asked, reported = Opened(), 0, asyncio.Event()

    def once_there() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            database.change()
            raise DatabaseUnavailable

    async def report(serving: bool) -> None:
        assert serving
        reported.set()

    following = asyncio.create_task(follow_database(cast("Any", database), report, once_there=once_there))
    try:
        await asyncio.wait_for(reported.wait(), 30)
    finally:
        following.cancel()
    assert asked == 2
