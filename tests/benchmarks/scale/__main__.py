"""What more processes give: reviews a second by 1, 2 and 4 review and 1 and 2 persistence processes.

`make bench-scale` (under four minutes), `make bench-scale ARGS=--quick`. Every row says how much of the cores
each component used, and what was used up. Where all cores are in use a second persistence process cannot show
what it gives; so persistence is also loaded alone, and with each of its processes held to a share of a core,
which leaves cores to spare. Prints two tables, writes build/bench/scale.json, scale.md, scale.png and
scale.svg.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.measuring import QUICK, WHOLE, Plan, percentile
from tests.benchmarks.report import facts
from tests.benchmarks.scale import report
from tests.benchmarks.scale.layouts import Layout, Running, running
from tests.benchmarks.scale.report import Point, Sample
from tests.benchmarks.scale.usage import held, metered
from tests.support.postgres import Cluster
from tests.support.processes import ROOT, clean_environment, start_process, wait_started

OUTPUT = ROOT / "build" / "bench"
PLAN = replace(WHOLE, rounds=3, saturating=200, ack_runs=150)
QUICK_PLAN = replace(QUICK, rounds=1, saturating=100, ack_runs=100)
HELD_TO = 0.25
BUDGET_SECONDS = 220.0
"""No round is begun that would end later: on a slow machine fewer rounds, not more minutes."""
STREAMS = 100
# Every layout is a database of its own, and a pool of connections for each persistence process.
LAYOUTS = (
    *(Layout(reviews, persistences) for persistences in (1, 2) for reviews in (1, 2, 4)),
    Layout(2, 2, shared=True),
)
POINTS = (
    *(Point("reviews", layout) for layout in LAYOUTS),
    Point("records", Layout(2, 1)),
    Point("records", Layout(2, 2)),
    Point("records", Layout(2, 2, shared=True)),
    Point("records", Layout(2, 1), HELD_TO),
    Point("records", Layout(2, 2), HELD_TO),
)


class Bench:
    """Loads layouts, and notes what came of it."""

    def __init__(self, postgres_pid: int, model_pid: int, plan: Plan) -> None:
        self._shared = {"PostgreSQL": [postgres_pid], "model": [model_pid]}
        self._plan = plan
        self.samples: dict[Point, list[Sample]] = {point: [] for point in POINTS}

    def warm_up(self, layout: Running) -> None:
        for what, loader in layout.loaders.items():
            loader.load(job=what, load="closed", count=40, concurrency=8)

    def measure(self, point: Point, layout: Running) -> None:
        loader = layout.loaders[point.what]
        pids = {**layout.pids, **self._shared, "caller": [loader.pid]}
        stores = layout.pids["persistence"]
        with contextlib.ExitStack() as stack:
            if point.held_to is not None:
                stack.enter_context(held(stores, point.held_to))
            meter = stack.enter_context(metered(pids, point.held_to))
            result = loader.load(job=point.what, load="closed", **self._amount(point))
        latencies = result["latencies"]
        self.samples[point].append(
            Sample(
                per_second=len(latencies) / result["seconds"],
                p99_ms=percentile(latencies, 0.99) * 1000 if latencies else 0.0,
                failed=result["failed"],
                usage=meter.result(),
            )
        )

    def _amount(self, point: Point) -> dict[str, int]:
        if point.what == "reviews":
            return {"count": self._plan.saturating, "concurrency": self._plan.concurrency}
        return {"count": self._plan.ack_runs, "concurrency": STREAMS}


@contextlib.contextmanager
def layouts(cluster: Cluster, folder: Path, model_url: str, progress: Progress) -> Iterator[list[Running]]:
    """All of them, running; those without load cost next to nothing."""
    task = progress.add_task("starting", total=len(LAYOUTS))
    with contextlib.ExitStack() as stack:
        started = []
        for number, layout in enumerate(LAYOUTS):
            progress.update(task, description=f"starting {layout.name}")
            url, own = cluster.create_database(), folder / f"layout_{number}"
            loads = sorted({point.what for point in POINTS if point.layout == layout})
            started.append(stack.enter_context(running(layout, loads, model_url, url, own)))
            progress.advance(task)
        progress.remove_task(task)
        yield started


def rounds(bench: Bench, started: list[Running], plan: Plan, progress: Progress, ends: float) -> int:
    """Every point once a round, each round beginning with another; how many rounds there were."""
    by_layout = {each.layout: each for each in started}
    task = progress.add_task("", total=len(started) + plan.rounds * len(POINTS))
    for each in started:
        progress.update(task, description=f"warming up {each.layout.name}")
        bench.warm_up(each)
        progress.advance(task)
    began = time.monotonic()
    for number in range(plan.rounds):
        now = time.monotonic()
        if number and now + (now - began) / number > ends:
            return number
        for point in POINTS[number:] + POINTS[:number]:
            progress.update(task, description=f"round {number + 1}, {point.what}, {point.name}")
            bench.measure(point, by_layout[point.layout])
            progress.advance(task)
    return plan.rounds


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    plan = QUICK_PLAN if arguments.quick else PLAN
    console = Console(width=190)
    began = time.monotonic()
    columns = (
        TextColumn("{task.description:<56}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with (
        Cluster() as cluster,
        tempfile.TemporaryDirectory(prefix="consensus-scale-") as name,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        folder = Path(name)
        model = start_process("tests.benchmarks.model", folder, clean_environment(), name="model")
        try:
            model_url = f"http://127.0.0.1:{wait_started(model)}"
            assert cluster.pid is not None
            bench = Bench(cluster.pid, model.pid, plan)
            with layouts(cluster, folder, model_url, progress) as started:
                done = rounds(bench, started, plan, progress, began + BUDGET_SECONDS)
        finally:
            model.stop()
    about = facts(plan, time.monotonic() - began) | {"rounds": done}
    arguments.output.mkdir(parents=True, exist_ok=True)
    report.show(console, bench.samples, about)
    document = json.dumps(report.document(bench.samples, about), indent=1)
    (arguments.output / "scale.json").write_text(f"{document}\n", encoding="utf-8")
    (arguments.output / "scale.md").write_text(report.markdown(bench.samples, about), encoding="utf-8")
    report.draw(bench.samples, arguments.output, console)


if __name__ == "__main__":
    main()
