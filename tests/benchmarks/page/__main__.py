"""What the page costs: the first paint of the list with 100,000 runs stored, and 200 watchers of one run.

`make bench-page`, with a real Chromium. The runs are made by SQL in PostgreSQL. Watchers come in turns:
nobody, clients of WatchRun, pages; what they cost is the CPU of the review service beyond a run that nobody
watches. Prints tables, and whether the bounds hold.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2

from tests.benchmarks.page.painting import Load, loads, medians
from tests.benchmarks.page.watching import CLIENTS, NOBODY, PAGES, Spent, watchers
from tests.support.door import Door, start_door
from tests.support.many_runs import FILL_RUNS, ROWS
from tests.support.pair import running_pair
from tests.support.postgres import Cluster, showing_all

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


def report_paint(of_list: Sequence[Load], of_form: Sequence[Load]) -> bool:
    """Prints the table; whether the bound holds."""
    told, other = medians(of_list), medians(of_form)
    painted = sorted(each.painted for each in of_list)
    print(f"| medians of {len(painted)} loads, ms | the list, 100,000 runs stored | a form, of no service |")
    print("| --- | ---: | ---: |")
    print(f"| first contentful paint | {told.painted:.0f} | {other.painted:.0f} |")
    print(f"| last byte of the page in the browser | {told.received:.0f} | {other.received:.0f} |")
    print(f"| the same request by curl | {told.answered:.0f} | {other.answered:.0f} |\n")
    print(f"the list was painted after {painted[0]:.0f} to {painted[-1]:.0f} ms;", end=" ")
    print(f"a median under {MOST_MILLISECONDS} is wanted\n", flush=True)
    return told.painted < MOST_MILLISECONDS


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
    parser.add_argument("--loads", type=int, default=25, help="of the list; default %(default)s")
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
        urls = [f"{door.url}{path}" for path in ("/runs", "/sign-in")]
        paints = report_paint(*asyncio.run(loads(urls, options.loads, folder / "browser")))
        spent = asyncio.run(measure_watchers(door, options.watchers, options.rounds))
    costs = report_watchers(spent, options.watchers)
    return 0 if paints and costs else 1


if __name__ == "__main__":
    sys.exit(main())
