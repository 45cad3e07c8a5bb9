"""Lists over 1,000 and over 1,000,000 runs and events: does a page cost more where there is more?

`make bench-lists`. The rows are made by SQL; the pages are asked for over gRPC from two persistence services
on PostgreSQL, one with few rows and one with many, in turn, with the tokens that a caller would have: the
thousandth page is reached by walking there.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psycopg2
from rich.console import Console
from rich.table import Table

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import event_service_pb2, event_service_pb2_grpc
from consensus_rpc.channel.channels import open_channel
from tests.support.many_runs import FILL_RUNS, ROWS
from tests.support.pair import PERSISTENCE, wait_serving
from tests.support.postgres import Cluster, showing_all
from tests.support.processes import Process, clean_environment, start_process, wait_started

FEW, MANY = 1_000, 1_000_000
PAGE_SIZE = 30
FAR_PAGE = 1000
SAMPLES = 200
MOST = 1.5
"""A page of many rows may take so many times what the first of few takes, by their medians."""

FILL_EVENTS = """
INSERT INTO events (tenant, event_type, occur_time, data_digest, position, data, schema_version, event_key)
SELECT 'default', 'Type' || n % 5, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second',
    sha256(n::text::bytea), n * 1000, jsonb_build_object('n', n), 1, ''
FROM generate_series(0, {last}) AS n;
ANALYZE events
"""

Page = Callable[[str], Awaitable[str]]
"""Asks for the page of a token, and answers with the next page's."""


@dataclass(frozen=True, slots=True)
class Result:
    """Medians of one list, in seconds."""

    name: str
    few: float
    first: float
    far: float

    @property
    def ratio(self) -> float:
        """How many times the few's first page the slower of the many's two takes."""
        return max(self.first, self.far) / self.few


async def measure(name: str, few: Page, many: Page) -> Result:
    """Walks to the far page of many, then asks for all three in turn."""
    token = ""
    for _ in range(FAR_PAGE - 1):
        token = await many(token)
    calls = [(few, ""), (many, ""), (many, token)]
    samples: list[list[float]] = [[] for _ in calls]
    for _ in range(SAMPLES):
        for (page, each), times in zip(calls, samples, strict=True):
            begin = time.perf_counter()
            await page(each)
            times.append(time.perf_counter() - begin)
    return Result(name, *(statistics.median(times) for times in samples))


def pages(internal: grpc.aio.Channel, channel: grpc.aio.Channel) -> dict[str, Page]:
    """A service's lists: those of review services, and those of callers."""
    runs: Any = persistence_service_pb2_grpc.PersistenceServiceStub(internal)
    events: Any = event_service_pb2_grpc.EventServiceStub(channel)
    scope = persistence_service_pb2.CallScope(tenant="default", caller="bench")

    async def page_of_runs(token: str) -> str:
        request = persistence_service_pb2.ListRunsRequest(scope=scope, page_size=PAGE_SIZE, page_token=token)
        response = await runs.ListRuns(request)
        assert len(response.runs) == PAGE_SIZE
        return str(response.next_page_token)

    async def page_of_events(token: str) -> str:
        response = await events.ListEvents(
            event_service_pb2.ListEventsRequest(page_size=PAGE_SIZE, page_token=token)
        )
        assert len(response.events) == PAGE_SIZE
        return str(response.next_page_token)

    return {"ListRuns": page_of_runs, "ListEvents": page_of_events}


async def measure_all(few_service: Process, many_service: Process) -> list[Result]:
    """All lists of a service with few rows and of one with many."""
    async with AsyncExitStack() as stack:
        few, many = [
            pages(
                *[
                    await stack.enter_async_context(open_channel(address))
                    for address in (service.internal_address, service.address)
                ]
            )
            for service in (few_service, many_service)
        ]
        return [await measure(name, few[name], many[name]) for name in few]


def fill(url: str, rows: int) -> None:
    """Makes so many runs, and so many events; a run's name has six digits, so that they begin at 0."""
    runs = FILL_RUNS.replace(f"generate_series(1, {ROWS})", f"generate_series(0::bigint, {rows - 1})")
    with closing(psycopg2.connect(showing_all(url))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(runs)
        cursor.execute(FILL_EVENTS.format(last=rows - 1))


def shown(results: list[Result]) -> Table:
    """The figures, one line per list."""
    table = Table(title=f"pages of {PAGE_SIZE}, medians of {SAMPLES}")
    for column in (
        "list", f"page 1 of {FEW:,} rows", f"page 1 of {MANY:,}", f"page {FAR_PAGE:,}", "ratio, slower",
        f"at most {MOST}",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "list" else "right")
    for each in results:
        verdict = "holds" if each.ratio <= MOST else "BROKEN"
        milliseconds = (f"{seconds * 1000:.2f} ms" for seconds in (each.few, each.first, each.far))
        table.add_row(each.name, *milliseconds, f"{each.ratio:.2f}", verdict)
    return table


def start(stack: ExitStack, cluster: Cluster, folder: Path, rows: int) -> Process:
    """A service on a database with so many rows."""
    url = cluster.create_database()
    environment = clean_environment(DATABASE_URL=url, PERSISTENCE_LISTEN="127.0.0.1:0")
    service = start_process("persistence_service", folder, environment, name=f"service_{rows}")
    stack.callback(service.stop)
    wait_serving(wait_started(service), PERSISTENCE)
    begin = time.monotonic()
    fill(url, rows)
    print(f"made {rows:,} runs and {rows:,} events in {time.monotonic() - begin:.0f} s", flush=True)
    return service


def main() -> int:
    """Runs it; 1 when a ratio is too large."""
    with Cluster() as cluster, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        few, many = [start(stack, cluster, Path(folder), rows) for rows in (FEW, MANY)]
        results = asyncio.run(measure_all(few, many))
    Console().print(shown(results))
    return 0 if all(each.ratio <= MOST for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
