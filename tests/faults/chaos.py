"""Harm done at random to a stack under load, by a seed: processes, connections, the database."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import OperationalError

from tests.faults.case import Case
from tests.faults.stack import pause
from tests.support.postgres import Cluster
from tests.support.processes import Process

Act = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Chaos:
    """Does one harm after the other; what it did is in `done`, for a failure's report."""

    case: Case
    random: random.Random
    cluster: Cluster | None = None
    """The database's own server, where it may be restarted."""
    done: list[str] = field(default_factory=list)

    async def go_on(self, seconds: float, least_pause: float, most_pause: float) -> None:
        """Do harm for so long."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends:
            await self.act()
            await asyncio.sleep(self.random.uniform(least_pause, most_pause))

    async def act(self) -> None:
        """One harm, chosen at random."""
        acts: list[Act] = [self.kill_review, self.kill_persistence, self.pause_review, self.pause_persistence]
        if self.case.stack.database_url.startswith("postgres"):
            acts.append(self.drop_connections)
        if self.cluster is not None:
            acts.append(self.restart_database)
        act = self.random.choice(acts)
        self.done.append(act.__name__)
        await act()

    async def kill_review(self) -> None:
        """Kill -9, and start anew a moment later."""
        await self._kill(self.random.choice(self.case.stack.reviews))

    async def kill_persistence(self) -> None:
        """Kill -9, and start anew a moment later."""
        await self._kill(self.random.choice(self.case.stack.persistences))

    async def pause_review(self) -> None:
        """Stop it for longer than its lease, or not."""
        await self._pause(self.random.choice(self.case.stack.reviews))

    async def pause_persistence(self) -> None:
        """Stop it for longer than the leases that it granted, or not."""
        await self._pause(self.random.choice(self.case.stack.persistences))

    async def drop_connections(self) -> None:
        """End every connection to the database."""
        await asyncio.to_thread(terminate_connections, self.case.stack.database_url)

    async def restart_database(self) -> None:
        """Stop it as a crash does, and start it a moment later."""
        assert self.cluster is not None
        await asyncio.to_thread(self.cluster.stop, "immediate")
        await asyncio.sleep(self.random.uniform(0, 2))
        await asyncio.to_thread(self.cluster.start)

    async def _kill(self, process: Process) -> None:
        await asyncio.to_thread(process.kill)
        await asyncio.sleep(self.random.uniform(0, 1))
        await asyncio.to_thread(self.case.stack.restart, process)

    async def _pause(self, process: Process) -> None:
        await pause(process)
        await asyncio.sleep(self.random.choice([0.3, 3.5]))
        process.send(signal.SIGCONT)


def terminate_connections(database_url: str, most: int = 1000) -> int:
    """End the services' connections to PostgreSQL, as an administrator does; how many."""
    try:
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'consensus_persistence' "
                "ORDER BY query_start DESC LIMIT %s) AS ended",
                (most,),
            )
            return int((cursor.fetchone() or (0,))[0])
    except OperationalError:  # the database is on its way down or up
        return 0
