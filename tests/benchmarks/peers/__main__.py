"""The review pair beside LangGraph and DBOS Transact doing the same job, in one run, taking turns.

`make bench-peers` (under eight minutes), `make bench-peers ARGS=--quick` (under two). The peers run in an
environment of their own, each in one process and called in it, with no service around them, as the SDK floor
is; what else was chosen for them stands in their modules. Prints two tables, writes build/bench/peers.json,
peers.md, peers.png and peers.svg.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.contenders import Contender, Loader, start_floor, start_pair
from tests.benchmarks.measuring import QUICK, WHOLE, Bench, Figures, Plan
from tests.benchmarks.peers import report
from tests.benchmarks.report import facts
from tests.benchmarks.targets import PAIR, SDK
from tests.support.postgres import Cluster
from tests.support.processes import ROOT, clean_environment, start_process, wait_started

OUTPUT = ROOT / "build" / "bench"
PYTHON = ROOT / "build" / "peers" / ".venv" / "bin" / "python"
PLAN = replace(WHOLE, single_reviews=5, saturating=75, crowds=())
QUICK_PLAN = replace(QUICK, saturating=50)
MEASURING_SECONDS = 430.0
"""A round that would not end by then is not begun: on a slow machine fewer rounds, not more minutes."""
STEP_SECONDS = 120.0
"""A contender that takes longer for one load is ended, and counts as failed in it and in all later ones."""
TWICE = 3
TWICE_LATENCY = 0.3

Step = tuple[str, Contender, Callable[[], None]]


@dataclass(slots=True)
class Run:
    """What is measured, and what went wrong by load."""

    bench: Bench
    model_url: str
    failed: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    ended: dict[str, str] = field(default_factory=dict)
    """The load in which a contender ended."""

    def do(self, load: str, contender: Contender, step: Callable[[], None]) -> None:
        """Does a step, within its time; a contender that ends in it takes part in nothing more."""
        if contender.name in self.ended:
            self.failed[contender.name][load] += 1
            return
        before = self.bench.figures.failed[contender.name]
        timer = threading.Timer(STEP_SECONDS, os.kill, (contender.loader.pid, signal.SIGKILL))
        timer.start()
        try:
            step()
        except (RuntimeError, BrokenPipeError) as error:
            sys.stderr.write(f"{contender.name} ended, {load}: {error}\n")
            self.ended[contender.name] = load
            self.bench.figures.failed[contender.name] += 1
        finally:
            timer.cancel()
        if failed := self.bench.figures.failed[contender.name] - before:
            self.failed[contender.name][load] += failed

    def twice(self, contender: Contender) -> None:
        """One key sent twice at once: how often is the model called?"""
        self.bench.set_latency(TWICE_LATENCY)
        for _ in range(TWICE):
            before = self._calls()
            result = contender.loader.load(job="twice", load="closed", count=1, concurrency=1)
            self.bench.figures.failed[contender.name] += result["failed"]
            self.bench.figures.add(contender.name, "twice_calls", self._calls() - before)

    def _calls(self) -> int:
        with urllib.request.urlopen(f"{self.model_url}/calls", timeout=5) as answer:
            return int(answer.read())


@contextlib.contextmanager
def contenders(cluster: Cluster, folder: Path, model_url: str) -> Iterator[list[Contender]]:
    """All of them, running, each on a database of its own."""
    with contextlib.ExitStack() as stack:
        running = []
        for name in report.NAMES:
            url = cluster.create_database()
            if name == PAIR:
                contender = start_pair(name, model_url, url, folder / name)
            elif name == SDK:
                contender = start_floor(name, model_url, url, folder)
            else:
                module = f"tests.benchmarks.peers.{name}_peer"
                loader = Loader(module, model_url, url, folder=folder, python=str(PYTHON))
                contender = Contender(name, loader, [loader.pid])
            stack.callback(contender.close)
            running.append(contender)
        yield running


def opening(run: Run, running: list[Contender], plan: Plan) -> list[Step]:
    """What is done once. Many at once comes first, while no earlier load has left memory to be used again."""
    bench, keyed = run.bench, [each for each in running if each.name != SDK]
    return [
        *[(report.WARM, each, partial(bench.warm_up, each)) for each in running],
        *[
            (report.BURST, each, partial(bench.burst, each, plan.burst, plan.burst_latency))
            for each in running
        ],
        *[(report.TWICE, each, partial(run.twice, each)) for each in keyed],
    ]


def rounds(run: Run, running: list[Contender], plan: Plan) -> list[list[Step]]:
    """The rounds, in which the contenders take turns."""
    bench = run.bench
    return [
        [
            step
            for each in running[number % len(running) :] + running[: number % len(running)]
            for step in (
                (report.SINGLE, each, partial(bench.single, each, plan)),
                (report.CROWD, each, partial(bench.crowd, each, plan, 100)),
                (report.FULL, each, partial(bench.saturate, each, plan)),
            )
        ]
        for number in range(plan.rounds)
    ]


def measure(run: Run, running: list[Contender], plan: Plan, console: Console) -> int:
    """All of it, with a progress bar; answers with the rounds that there was time for."""
    columns = (
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    first, later = opening(run, running, plan), rounds(run, running, plan)
    began, done, longest = time.monotonic(), 0, 0.0
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(first) + sum(map(len, later)))
        for number, batch in enumerate((first, *later)):
            begin = time.monotonic()
            if number > 1 and begin - began + longest > MEASURING_SECONDS:
                break
            for load, contender, step in batch:
                label = f"round {number}, {load}" if number else load
                progress.update(task, description=f"{label}, {contender.name}")
                run.do(load, contender, step)
                progress.advance(task)
            done = number
            longest = max(longest, time.monotonic() - begin) if number else 0.0
    return done


def versions() -> dict[str, str]:
    """What is installed in the peers' environment."""
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    command = [str(PYTHON), "-c", code, *report.PACKAGES]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean_environment())
    return dict(zip(report.PACKAGES, done.stdout.split(), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if not PYTHON.exists():
        parser.error("the peers' environment is missing: `make bench-peers` makes it")
    plan = QUICK_PLAN if arguments.quick else PLAN
    console, figures, began = Console(width=150), Figures(), time.monotonic()
    # Two peers with 100 connections each, and the pair's.
    with (
        Cluster(max_connections="400") as cluster,
        tempfile.TemporaryDirectory(prefix="consensus-peers-") as name,
    ):
        model = start_process("tests.benchmarks.model", Path(name), clean_environment(), name="model")
        try:
            model_url = f"http://127.0.0.1:{wait_started(model)}"
            run = Run(Bench(cluster, model_url, figures), model_url)
            with contenders(cluster, Path(name), model_url) as running:
                done = measure(run, running, plan, console)
                for each in running:
                    if run.failed[each.name]:
                        console.print(f"{each.name} said last: {each.loader.said()[-300:]}", markup=False)
        finally:
            model.stop()
    about: dict[str, Any] = facts(replace(plan, rounds=done), time.monotonic() - began)
    about["peers"] = versions()
    report.write(arguments.output, console, figures, about, run.failed, run.ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
