"""What the page costs: the first paint of the list with 100,000 runs stored, and 200 watchers of one run.

`make bench-page`, with a real Chromium that runs already; cold is without a file of an earlier visit. The
runs are made by SQL in PostgreSQL. Watchers come in turns: nobody, clients of WatchRun, pages; what they cost
is the CPU of the review service beyond a run that nobody watches. Prints tables, and whether the bounds hold.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2

from tests.benchmarks.page.painting import Load, Visit, loads, median, p95
from tests.benchmarks.page.watching import CLIENTS, NOBODY, PAGES, Spent, watchers
from tests.support.door import Door, start_door
from tests.support.many_runs import FILL_RUNS, ROWS
from tests.support.pair import running_pair
from tests.support.postgres import Cluster, showing_all

LIST = "the list, cold"
MOST_MILLISECONDS = 200
MOST_RATIO = 1.0


def fill(url: str) -> None:
    """Makes the runs of the list."""
    with closing(psycopg2.connect(showing_all(url))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(FILL_RUNS)
    print(f"made {ROWS:,} runs", file=sys.stderr)


async def measure_watchers(door: Door, count: int, rounds: int) -> dict[str, list[Spent]]:
    """What each kind has cost in each round; the first round is not counted."""
    kinds = (NOBODY, CLIENTS, PAGES)
    spent: dict[str, list[Spent]] = {kind: [] for kind in kinds}
    async with watchers(door, count) as all_watchers:
        for number in range(rounds + 1):
            for kind in kinds if number % 2 else reversed(kinds):
                told = await all_watchers.spend(kind)
                if number:
                    spent[kind].append(told)
                    print(f"round {number}, {kind}: review service {told.review:.2f} s", file=sys.stderr)
    return spent


def visits(door: Door) -> dict[str, Visit]:
    """The ways to the list, and to a form for which the door asks no service."""
    listed, form = f"{door.url}/runs", f"{door.url}/sign-in"
    return {
        LIST: Visit(listed, is_cold=True),
        "the list, warm": Visit(listed),
        "the list, warm, from a page of the door": Visit(listed, before=form),
        "a form of no service, cold": Visit(form, is_cold=True),
    }


def report_paint(measured: Mapping[str, Sequence[Load]], busy: Sequence[float]) -> bool:
    """Prints the table; whether the bound holds."""
    of_list = measured[LIST]
    rows = {
        "first contentful paint, median": [median(each, "painted") for each in measured.values()],
        "first contentful paint, p95": [p95(each, "painted") for each in measured.values()],
        "the browser asks, median": [median(each, "asked") for each in measured.values()],
        "first byte of the page, median": [median(each, "answered") for each in measured.values()],
        "last byte of the page, median": [median(each, "received") for each in measured.values()],
        "the same request by curl, median": [median(each, "curled") for each in measured.values()],
    }
    print(f"| {len(of_list)} loads of each, ms | {' | '.join(measured)} |")
    print(f"| --- |{' ---: |' * len(measured)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(f'{each:.0f}' for each in cells)} |")
    print(f"\nload average {', '.join(f'{each:.1f}' for each in busy)} before and after;", end=" ")
    print(f"a median under {MOST_MILLISECONDS} ms is wanted of {LIST}\n", flush=True)
    return median(of_list, "painted") < MOST_MILLISECONDS


def report_watchers(spent: dict[str, list[Spent]], count: int) -> bool:
    """Prints the table; whether the bound holds."""
    print(f"| {count} watchers of one run | review service, CPU s | persistence, CPU s | door, CPU s |")
    print("| --- | ---: | ---: | ---: |")
    for kind, each in spent.items():
        cells = [
            f"{statistics.median(getattr(one, process) for one in each):.2f}"
            for process in ("review", "persistence", "door")
        ]
        print(f"| {kind} | {' | '.join(cells)} |")
    review = {kind: statistics.median(one.review for one in each) for kind, each in spent.items()}
    ratio = (review[PAGES] - review[NOBODY]) / (review[CLIENTS] - review[NOBODY])
    print(f"\npages cost the review service {ratio:.2f} of what clients do; at most {MOST_RATIO} is wanted")
    return ratio <= MOST_RATIO


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; 0 when both bounds hold."""
    parser = argparse.ArgumentParser(prog="make bench-page", description=__doc__)
    parser.add_argument("--loads", type=int, default=25, help="of each kind; default %(default)s")
    parser.add_argument("--watchers", type=int, default=200, help="at once; default %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="of watchers; default %(default)s")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consensus-page-")))
        url = stack.enter_context(Cluster()).create_database()
        pair = stack.enter_context(running_pair(folder, url))
        fill(url)
        door = start_door(pair, folder)
        stack.callback(door.process.stop)
        busy = [os.getloadavg()[0]]
        measured = asyncio.run(loads(visits(door), options.loads, folder / "browser"))
        paints = report_paint(measured, [*busy, os.getloadavg()[0]])
        spent = asyncio.run(measure_watchers(door, options.watchers, options.rounds))
    costs = report_watchers(spent, options.watchers)
    return 0 if paints and costs else 1


if __name__ == "__main__":
    sys.exit(main())
