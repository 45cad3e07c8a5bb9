"""The services' health follows the database."""

import asyncio
from collections.abc import Awaitable, Callable

from persistence_service.database import Database

Report = Callable[[bool], Awaitable[None]]


async def follow_database(
    database: Database, report: Report, *, once_there: Callable[[], None] = lambda: None
) -> None:
    """Starts the database, then reports whether it is there at every change, until it is cancelled.

    `once_there` is called in a thread before the first report.

    Raises:
        StartRefused: the service must not run on this database.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def notice(_up: bool) -> None:  # called from a thread of the probe
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    database.on_change(notice)
    await database.start()
    await asyncio.to_thread(once_there)
    while True:
        changed.clear()
        await report(database.available)
        await changed.wait()
