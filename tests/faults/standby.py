"""A PostgreSQL primary and its standby, and services that know both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from consensus_cli.local.processes import reserve_port
from tests.faults.conftest import with_password
from tests.faults.stack import Settings, Stack
from tests.support.postgres import Cluster

_AWAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Servers:
    """A primary and its standby."""

    primary: Cluster
    standby: Cluster

    def in_step(self) -> bool:
        """Whether the standby streams, and commits wait for it."""
        return bool(
            self.primary.ask(
                "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'",
            )
        )

    def has(self, position: str) -> bool:
        """Whether the standby shows all that the primary had written there."""
        return bool(self.standby.ask(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"))

    def is_cut(self) -> bool:
        """Whether the standby receives nothing."""
        return not self.standby.ask("SELECT count(*) FROM pg_stat_wal_receiver")

    @asynccontextmanager
    async def stack(
        self, folder: Path, persistence: Settings | None = None, review: Settings | None = None
    ) -> AsyncIterator[Stack]:
        """Services that know both servers' addresses, with these settings."""
        url = with_password(await asyncio.to_thread(self.primary.create_database))
        both = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        stack = Stack(
            folder,
            url,
            persistence_count=2,
            served_url=_elsewhere(url, both),
            review_settings=review or {},
            persistence_settings=persistence or {},
        )
        try:
            await asyncio.to_thread(stack.start)
            yield stack
        finally:
            await asyncio.to_thread(stack.stop)

    @asynccontextmanager
    async def promoted(self, stack: Stack) -> AsyncIterator[None]:
        """The standby takes the place of the primary, whose machine is gone: nothing refuses for it."""
        await asyncio.to_thread(self.primary.kill)
        with reserve_port(port=self.primary.port) as silent:
            silent.listen()
            await asyncio.sleep(_AWAY_SECONDS)
            await asyncio.to_thread(self.standby.promote)
            stack.database_url = _elsewhere(stack.database_url, f"127.0.0.1:{self.standby.port}")
            yield


def _elsewhere(url: str, address: str) -> str:
    """The same database at another `host:port`, or at several."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@{address}"))
