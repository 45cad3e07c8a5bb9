"""The services' health follows the database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from consensus_contract.errors import DatabaseUnavailable
from persistence_service.database import Database

Report = Callable[[bool], Awaitable[None]]
_AGAIN_SECONDS = 1.0


async def follow_database(
    database: Database, report: Report, *, once_there: Callable[[], None] = lambda: None
) -> None:
    """Starts the database, then reports whether it is there at every change, until it is cancelled.

    `once_there` is called in a thread before the first report, again where the database has gone meanwhile.

    Raises:
        StartRefused: the service must not run on this database.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def notice(_up: bool) -> None:  # called from a thread of the probe
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    database.condition.on_change(notice)
    await database.start()
    await _until_done(once_there, changed)
    while True:
        changed.clear()
        await report(database.available)
        await changed.wait()


async def _until_done(once_there: Callable[[], None], changed: asyncio.Event) -> None:
    """A database that has just been opened may be away again."""
    while True:
        changed.clear()
        try:
            return await asyncio.to_thread(once_there)
        except DatabaseUnavailable:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _AGAIN_SECONDS)
