"""Decided runs as other rooms ask for them."""

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Connection

from consensus.v1 import run_pb2
from persistence_service.runs.read.decided import DecidedPage, find_decided
from persistence_service.runs.read.reader import RunReader

RUNS_PER_READ = 100
"""Runs that are read in one transaction, and held while the reader takes them."""


class DecidedRuns:
    """Reads decided runs, one or many."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader

    async def whole(self, tenant: str, run_id: str) -> run_pb2.Run:
        """The run with all that is recorded of it, decided or not.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        return await self._reader.uncut_run((tenant, run_id))

    async def newest_first(self, tenant: str, wanted: run_pb2.RunFilter) -> AsyncIterator[list[run_pb2.Run]]:
        """Those that the filter wants, some at a time; nothing is held open between."""
        position: list[Any] | None = None
        while True:

            def find(connection: Connection, after: list[Any] | None = position) -> DecidedPage:
                return find_decided(connection, tenant, wanted, after, RUNS_PER_READ)

            page = await self._reader.read(find, "runs")
            if page.runs:
                yield list(page.runs)
            if page.position is None:
                return
            position = page.position
