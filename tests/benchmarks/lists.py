"""Lists over 100,000 runs and 1,000,000 events: does the thousandth page cost what the first does?

`make bench-lists`. The rows are made by SQL; the pages are asked for over gRPC from a persistence service of
its own, on PostgreSQL, with the tokens that a caller would have: the thousandth is reached by walking there.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from consensus.v1 import event_service_pb2 as events_pb
from consensus.v1 import persistence_service_pb2 as runs_pb
from consensus.v1.event_service_pb2_grpc import EventServiceStub
from consensus.v1.persistence_service_pb2_grpc import PersistenceServiceStub
from consensus_rpc.client import open_channel
from tests.support.many_runs import FILL_RUNS
from tests.support.pair import PERSISTENCE, wait_serving
from tests.support.postgres import Cluster
from tests.support.processes import clean_environment, start_process, wait_started

EVENTS = 1_000_000
PAGE_SIZE = 30
FAR_PAGE = 1000
SAMPLES = 200
MOST = 1.5
"""The thousandth page's median may be so many times the first's."""

FILL_EVENTS = f"""
INSERT INTO events (tenant, event_type, occur_time, data_digest, position, data, schema_version, event_key)
SELECT 'default', 'Type' || n % 5, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second',
    sha256(n::text::bytea), n * 1000, jsonb_build_object('n', n), 1, ''
FROM generate_series(1, {EVENTS}) AS n;
ANALYZE events
"""

Page = Callable[[str], Awaitable[str]]
"""Asks for the page of a token, and answers with the next page's."""


@dataclass(frozen=True, slots=True)
class Result:
    """Medians of one list, in seconds."""

    name: str
    first: float
    far: float

    @property
    def ratio(self) -> float:
        """How many times the first page's median the far page's is."""
        return self.far / self.first


async def measure(name: str, page: Page) -> Result:
    """Walks to the far page, then asks for both in turn."""
    token = ""
    for _ in range(FAR_PAGE - 1):
        token = await page(token)
    samples: dict[str, list[float]] = {"": [], token: []}
    for _ in range(SAMPLES):
        for each, times in samples.items():
            begin = time.perf_counter()
            await page(each)
            times.append(time.perf_counter() - begin)
    return Result(name, *(statistics.median(times) for times in samples.values()))


async def measure_all(address: str) -> list[Result]:
    """Both lists of one service."""
    async with open_channel(address) as channel:
        runs: Any = PersistenceServiceStub(channel)
        events: Any = EventServiceStub(channel)
        scope = runs_pb.CallScope(tenant="default", caller="bench")

        async def page_of_runs(token: str) -> str:
            request = runs_pb.PersistenceServiceListRunsRequest(
                scope=scope, page_size=PAGE_SIZE, page_token=token
            )
            response = await runs.ListRuns(request)
            assert len(response.runs) == PAGE_SIZE
            return str(response.next_page_token)

        async def page_of_events(token: str) -> str:
            response = await events.ListEvents(
                events_pb.ListEventsRequest(page_size=PAGE_SIZE, page_token=token)
            )
            assert len(response.events) == PAGE_SIZE
            return str(response.next_page_token)

        return [
            await measure("ListRuns", page_of_runs),
            await measure("ListEvents", page_of_events),
        ]


def fill(url: str) -> None:
    """Makes the rows."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(FILL_RUNS)
        cursor.execute(FILL_EVENTS)


def shown(results: list[Result]) -> Table:
    """The figures, one line per list."""
    table = Table("list", "page 1", f"page {FAR_PAGE}", "ratio", f"at most {MOST}", title="medians")
    for each in results:
        verdict = "holds" if each.ratio <= MOST else "BROKEN"
        milliseconds = (f"{seconds * 1000:.2f} ms" for seconds in (each.first, each.far))
        table.add_row(each.name, *milliseconds, f"{each.ratio:.2f}", verdict)
    return table


def main() -> int:
    """Runs it; 1 when a ratio is too large."""
    console = Console()
    with Cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        url = cluster.create_database()
        environment = clean_environment(DATABASE_URL=url, PERSISTENCE_LISTEN="127.0.0.1:0")
        service = start_process("persistence_service", Path(folder), environment)
        try:
            address = wait_started(service)
            wait_serving(address, PERSISTENCE)
            console.print("making 100,000 runs and 1,000,000 events …")
            fill(url)
            results = asyncio.run(measure_all(address))
        finally:
            service.stop()
    console.print(shown(results))
    return 0 if all(each.ratio <= MOST for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
