"""The benchmark: the review pair beside the floors, in one run, taking turns.

`make bench` (under six minutes), `make bench ARGS=--quick` (under one), `ARGS=--large` adds 2,000 reviews
at once. Prints a table, writes build/bench/bench.json, tables.md and plots.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import caching, plots, report, targets
from tests.benchmarks.contenders import Contender, start_floor, start_pair
from tests.benchmarks.floors import make_tables
from tests.benchmarks.measuring import QUICK, WHOLE, Bench, Figures, Plan
from tests.support.postgres import Cluster, showing_all
from tests.support.processes import ROOT, Process, clean_environment, start_process, wait_started

OUTPUT = ROOT / "build" / "bench"
# As much as a whole run writes. A young server makes each of them when it is needed, filled with zeros, which
# holds all commits up for 50 ms; one that has run for a while uses old ones again.
_LOG_SEGMENTS = 24
_IN_SEQUENCE = """
SELECT avg(commits) FROM (
    SELECT count(DISTINCT event_time) AS commits FROM (
        SELECT stream, event_type, max(event_time) AS event_time FROM audit_log
        WHERE event_type IN
            ('run.created', 'proposal.recorded', 'persona_review.recorded', 'decision.recorded')
        GROUP BY stream, event_type
    ) AS turns GROUP BY stream HAVING count(*) = 4
) AS runs
"""

Step = tuple[str, partial[None]]


@contextlib.contextmanager
def contenders(cluster: Cluster, folder: Path, model_url: str, names: list[str]) -> Iterator[list[Contender]]:
    """All contenders, running, each on a database of its own; they start at the same time."""
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            starts = [pool.submit(start, cluster, folder, model_url, name) for name in names]
        for each in starts:
            if each.exception() is None:
                stack.callback(each.result().close)
        yield [each.result() for each in starts]


def start(cluster: Cluster, folder: Path, model_url: str, name: str) -> Contender:
    """A contender, once it can be loaded."""
    url = f"sqlite:///{folder / 'pair.db'}" if name == targets.PAIR_SQLITE else cluster.create_database()
    if name.startswith("pair"):
        return start_pair(name, model_url, url, folder / name)
    make_tables(url)
    return start_floor(name, model_url, url, folder)


def steps(bench: Bench, running: list[Contender], plan: Plan, *, large: bool) -> list[Step]:
    """Everything that is to be done, in order; within a round the contenders take turns."""
    work: list[Step] = [(f"warming up {each.name}", partial(bench.warm_up, each)) for each in running]
    # First, while no earlier load has left memory to be used again.
    work += [
        (
            f"{plan.burst} at once, {each.name}",
            partial(bench.burst, each, plan.burst, plan.burst_latency, plan.burst_name),
        )
        for each in running
        if is_pair(each) or each.name in plan.burst_floors
    ]
    for number in range(plan.rounds):
        turns = running[number % len(running) :] + running[: number % len(running)]
        for each in turns:
            work += [(f"round {number + 1}, {each.name}", step) for step in turn(bench, each, plan, number)]
        if number in (0, plan.rounds - 1):
            work += [(f"memory at rest, {each.name}", partial(bench.rest, each)) for each in running]
    for in_flight in plan.crowds:
        work += [
            (f"{in_flight} at a time, {each.name}", partial(bench.crowd, each, plan, in_flight))
            for each in running
        ]
    work += [(f"replays, {each.name}", partial(bench.replay, each, plan)) for each in running]
    work += [(f"single calls, {each.name}", partial(bench.unary, each, plan)) for each in running]
    if large:
        # The pair alone: 10,000 connections that a floor keeps open would be too many for the model's server.
        work += [
            (f"2,000 at once, {each.name}", partial(bench.burst, each, 2000, 20.0, "crush"))
            for each in running
            if each.name == targets.PAIR
        ]
    return work


def turn(bench: Bench, contender: Contender, plan: Plan, number: int) -> Iterator[partial[None]]:
    """A contender's part of a round."""
    yield partial(bench.single, contender, plan)
    if is_pair(contender) or number < plan.floor_crowds:
        yield partial(bench.crowd, contender, plan, 100)
    yield partial(bench.saturate, contender, plan)
    yield partial(bench.acks, contender, plan)


def is_pair(contender: Contender) -> bool:
    return contender.name.startswith("pair")


def note_commits_in_sequence(cluster: Cluster, figures: Figures) -> None:
    """Finds the pair's database by its journal, and counts the commits of one run's turns."""
    with closing(psycopg2.connect(cluster.admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test%'")
        databases = [row[0] for row in cursor.fetchall()]
    for database in databases:
        with (
            closing(psycopg2.connect(showing_all(cluster.url(database)))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT to_regclass('audit_log') IS NOT NULL")
            if cursor.fetchone() == (True,):
                cursor.execute(_IN_SEQUENCE)
                row = cursor.fetchone()
                if row is not None and row[0] is not None:
                    figures.add(targets.PAIR, "commits_in_sequence", float(row[0]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--large", action="store_true", help="also 2,000 reviews at once (two minutes more)")
    parser.add_argument("--only", nargs="+", choices=report.NAMES, default=list(report.NAMES), metavar="NAME")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else WHOLE
    console = Console(width=150)
    figures = Figures()
    began = time.monotonic()
    with Cluster() as cluster, tempfile.TemporaryDirectory(prefix="consensus-bench-") as name:
        folder = Path(name)
        cluster.make_log_segments(_LOG_SEGMENTS)
        model = start_process("tests.benchmarks.model", folder, clean_environment(), name="model")
        try:
            seconds = _measure(cluster, folder, model, figures, plan, arguments, console)
        finally:
            model.stop()
    arguments.output.mkdir(parents=True, exist_ok=True)
    facts = report.facts(plan, time.monotonic() - began)
    facts["seconds_of_steps"] = {name: round(each, 1) for name, each in seconds.items()}
    report.show(console, figures, facts)
    if not arguments.quick:
        console.print(caching.measured())
    document = report.document(figures, facts)
    (arguments.output / "bench.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (arguments.output / "tables.md").write_text(report.markdown(figures), encoding="utf-8")
    plots.draw(figures, arguments.output, console)


def _measure(
    cluster: Cluster,
    folder: Path,
    model: Process,
    figures: Figures,
    plan: Plan,
    arguments: argparse.Namespace,
    console: Console,
) -> dict[str, float]:
    """Does it all; seconds that each kind of step took."""
    seconds: dict[str, float] = defaultdict(float)
    began = time.monotonic()
    model_url = f"http://127.0.0.1:{wait_started(model)}"
    bench = Bench(cluster, model_url, figures)
    columns = (
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with (
        contenders(cluster, folder, model_url, arguments.only) as running,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        seconds["start"] = time.monotonic() - began
        work = steps(bench, running, plan, large=arguments.large)
        task = progress.add_task("", total=len(work))
        for label, step in work:
            progress.update(task, description=label)
            begin = time.monotonic()
            step()
            seconds[step.func.__name__] += time.monotonic() - begin
            progress.advance(task)
        note_commits_in_sequence(cluster, figures)
    return seconds


if __name__ == "__main__":
    main()
