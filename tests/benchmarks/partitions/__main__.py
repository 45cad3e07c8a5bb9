"""Lists, watching and retention over many runs, partitioned by day, beside a tenth as many.

`make bench-partitions`, ARGS=--runs=N. Two databases on one PostgreSQL, filled by SQL; lists and watching are
asked for over gRPC, of one service for each, in turn. Retention is what housekeeping does, called in here.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import run_pb2
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.telemetry.log import configure_logging
from persistence_service.database import Database, DatabaseOptions, normalise_url
from persistence_service.database.partitions import Span, drop_empty, id_at, spans
from persistence_service.runs.form.partitioned import PARTITIONED
from persistence_service.runs.write import purging
from tests.benchmarks.partitions.filling import DAYS, fill, sizes
from tests.support.pair import PERSISTENCE, wait_serving
from tests.support.postgres import Cluster, showing_all
from tests.support.processes import Process, clean_environment, start_process, wait_started

LEAST_RUNS, MOST_RUNS = 100_000, 10_000_000
TENTH = 10
SAMPLES = 200
PAGE = 30
FAR_PAGE = 200
PURGED = 1_000
MOST = 1.5
"""A page of many may take so many times what one of a tenth takes, and a purged run too; by medians."""

Asked = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one thing takes, in seconds, with a tenth of the runs and with all."""

    name: str
    few: float
    many: float

    @property
    def ratio(self) -> float:
        """How many times as long it takes with all of them."""
        return self.many / self.few


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with so many runs, the first of which began then, and a service on it."""

    url: str
    runs: int
    begin: datetime
    service: Process


async def lists_and_watching(few: Filled, many: Filled, samples: int) -> list[Result]:
    """The first page, a far one, one filtered; the past of a run, from its beginning."""
    async with AsyncExitStack() as stack:
        asked = [await _questions(stack, each) for each in (few, many)]
        return [await _in_turn(name, samples, asked[0][name], asked[1][name]) for name in asked[0]]


async def _questions(stack: AsyncExitStack, filled: Filled) -> dict[str, Asked]:
    channel = await stack.enter_async_context(open_channel(filled.service.internal_address))
    stub: Any = persistence_service_pb2_grpc.PersistenceServiceStub(channel)
    scope = persistence_service_pb2.CallScope(tenant="default", caller="bench")
    ids = _whole_runs(filled.url)
    chance = random.Random(filled.runs)

    async def page(token: str = "", **wanted: Any) -> str:
        request = persistence_service_pb2.ListRunsRequest(
            scope=scope, page_size=PAGE, page_token=token, filter=run_pb2.RunFilter(**wanted)
        )
        answer = await stub.ListRuns(request)
        assert len(answer.runs) == PAGE
        return str(answer.next_page_token)

    async def watch() -> None:
        request = persistence_service_pb2.WatchRunRequest(scope=scope, run_id=chance.choice(ids))
        events = [event async for message in stub.WatchRun(request) for event in message.events]
        assert events[-1].HasField("run_completed")

    async def whole() -> None:
        request = persistence_service_pb2.GetRunRequest(scope=scope, run_id=chance.choice(ids))
        assert (await stub.GetRun(request)).run.HasField("decision")

    token = ""
    for _ in range(FAR_PAGE - 1):
        token = await page(token)
    return {
        "ListRuns, page 1": page,
        f"ListRuns, page {FAR_PAGE}": partial(page, token),
        "ListRuns of a user": partial(page, user="u-7"),
        "GetRun, a run of any day": whole,
        "WatchRun, all events of a run of any day": watch,
    }


def _whole_runs(url: str) -> list[str]:
    with closing(psycopg2.connect(showing_all(url))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT run_id FROM proposal_versions ORDER BY md5(run_id) LIMIT 2000")
        return [run_id for (run_id,) in cursor.fetchall()]


async def _in_turn(name: str, samples: int, *asked: Asked) -> Result:
    taken: list[list[float]] = [[] for _ in asked]
    for _ in range(samples):
        for ask, times in zip(asked, taken, strict=True):
            begin = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - begin)
    return Result(name, *(statistics.median(times) for times in taken))


def retention(few: Filled, many: Filled) -> list[Result]:
    """A run of the oldest day purged, whose texts go with the partition; one purged row by row; the drop."""
    found = [_purged(each) for each in (few, many)]
    return [Result(name, found[0][name], found[1][name]) for name in found[0]]


def _purged(filled: Filled) -> dict[str, float]:
    database = Database(DatabaseOptions(url=normalise_url(filled.url), statement_timeout=600))
    database.open()
    try:
        first, *_, other = spans_of_runs(database, filled.begin)[: DAYS // 2]
        by_partition = _timed(database, partial(_purge_aged, filled.begin + timedelta(days=1, hours=2)))
        by_row = _timed(database, partial(_purge_deleted, other))
        _unit(database, partial(_take_out, first))
        begin = time.perf_counter()
        while _unit(database, drop_empty):
            pass
        return {
            "a run purged, its texts with the partition": by_partition,
            "a run purged row by row": by_row,
            "a day's partitions dropped, for each of its runs": (time.perf_counter() - begin)
            * DAYS
            / filled.runs,
        }
    finally:
        database.close()


def spans_of_runs(database: Database, begin: datetime) -> list[Span]:
    """The days from the first run on."""
    found: list[Span] = _unit(database, lambda connection: spans(connection, PARTITIONED))
    return [span for span in found if span.lower >= id_at(begin)]


def _timed(database: Database, purge_some: Callable[[Connection], int]) -> float:
    """Seconds for each run, over so many of them."""
    begin, total = time.perf_counter(), 0
    while total < PURGED and (count := _unit(database, purge_some)):
        total += count
    assert total
    return (time.perf_counter() - begin) / total


def _purge_aged(before: datetime, connection: Connection) -> int:
    return purging.purge_ended(_clock, connection, before, 50)


def _purge_deleted(span: Span, connection: Connection) -> int:
    """Of one day, some that are marked as deleted long ago."""
    connection.execute(
        text(
            "UPDATE runs SET delete_time = '2000-01-01Z', deletion_id = 'd' WHERE tenant = 'default' AND "
            "run_id IN (SELECT run_id FROM runs WHERE tenant = 'default' AND run_id >= :lower "
            "AND run_id < :upper ORDER BY run_id LIMIT 50)"
        ),
        {"lower": span.lower, "upper": span.upper},
    )
    return purging.purge_deleted(_clock, connection, _clock(connection), 50)


def _take_out(span: Span, connection: Connection) -> int:
    """What is left of a day's runs, as if they had been purged."""
    removed = connection.execute(
        text("DELETE FROM runs WHERE tenant = 'default' AND run_id >= :lower AND run_id < :upper"),
        {"lower": span.lower, "upper": span.upper},
    )
    return removed.rowcount


def _clock(connection: Connection) -> datetime:
    found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found


def _unit(database: Database, fn: Callable[[Connection], Any]) -> Any:
    return database.unit_of_work(fn, isolation="READ COMMITTED")


def filled(stack: ExitStack, cluster: Cluster, folder: Path, runs: int) -> Filled:
    """A service on a database with so many runs."""
    url = cluster.create_database()
    environment = clean_environment(DATABASE_URL=url, PERSISTENCE_LISTEN="127.0.0.1:0")
    service = start_process("persistence_service", folder, environment, name=f"service_{runs}")
    stack.callback(service.stop)
    wait_serving(wait_started(service), PERSISTENCE)
    began = time.monotonic()
    begin = fill(url, runs)
    whole, parted, count = sizes(url)
    print(
        f"made {runs:,} runs in {time.monotonic() - began:.0f} s: {whole / 1e9:.2f} GB, "
        f"{parted / 1e9:.2f} of them in {count} partitions",
        flush=True,
    )
    return Filled(url, runs, begin, service)


def shown(results: Sequence[Result], runs: int) -> Table:
    """The figures, a line each."""
    table = Table(title=f"partitioned by day, {DAYS} days; medians; retention once")
    for column in ("what", f"{runs // TENTH:,} runs", f"{runs:,}", "ratio", f"at most {MOST}"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in results:
        verdict = "holds" if each.ratio <= MOST else "BROKEN"
        milliseconds = (f"{seconds * 1000:.3g} ms" for seconds in (each.few, each.many))
        table.add_row(each.name, *milliseconds, f"{each.ratio:.2f}", verdict)
    return table


def main() -> int:
    """Runs it; 1 when a ratio is too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=MOST_RUNS, help=f"how many, at most {MOST_RUNS:,}")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="how often each list is asked for")
    options = parser.parse_args()
    runs: int = options.runs
    if not LEAST_RUNS <= runs <= MOST_RUNS:
        parser.error(f"--runs is from {LEAST_RUNS:,} (a tenth has the pages) to {MOST_RUNS:,} (20 GB)")
    configure_logging("bench", level="WARNING")
    settings = {"shared_buffers": "1GB", "max_wal_size": "2GB", "max_locks_per_transaction": "1024"}
    with Cluster(**settings) as cluster, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        few, many = [filled(stack, cluster, Path(folder), each) for each in (runs // TENTH, runs)]
        results = asyncio.run(lists_and_watching(few, many, options.samples)) + retention(few, many)
    Console(width=120).print(shown(results, runs))
    return 0 if all(each.ratio <= MOST for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
