"""Load on the pair for minutes, on both databases, with a process killed every 30 seconds.

`python -m tests.faults.soak --minutes 10` ends with the checker's table, in Markdown, and with status 1 when
a rule was broken. All of it stays on loopback and in a temporary folder.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from offline_model.script import Rule
from tests.faults.case import Case, running_case
from tests.faults.checker.check import Figures, figures, violations
from tests.faults.conftest import with_password
from tests.faults.load import Load
from tests.faults.stack import Stack, running_stack
from tests.support.postgres import Cluster
from tests.support.processes import Process

_CALLERS = 8
_CALLER_PAUSE_SECONDS = 0.4
_MODEL_SECONDS = 0.4
_FIRST_KILL_SECONDS = 5.0
_DOWN_SECONDS = 1.0
_TARGET_SECONDS = 20.0
_ENDING_SECONDS = 120.0


@dataclass(slots=True)
class Kills:
    """What was killed: processes that worked on a run, or served one that does."""

    review: int = 0
    persistence: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What one database's soak came to."""

    database: str
    seconds: float
    kills: Kills
    figures: Figures
    broken: Sequence[str]


class Soak:
    """One stack under load, and the one who kills."""

    def __init__(self, case: Case, seed: int, minutes: float, kill_seconds: float) -> None:
        self._case = case
        self._random = random.Random(seed)
        self._load = Load(case, random.Random(seed + 1), cancel_share=0.05)
        self._minutes = minutes
        self._kill_seconds = kill_seconds
        self.kills = Kills()

    async def go(self) -> None:
        """Load and kills for the whole time; then all is healed, and all callers get their runs' ends."""
        await self._case.script(Rule(delay_seconds=_MODEL_SECONDS))
        calling = asyncio.create_task(self._load.callers(_CALLERS, _CALLER_PAUSE_SECONDS))
        try:
            await self._kill_until(time.monotonic() + self._minutes * 60)
            await asyncio.to_thread(self._case.stack.heal)
        finally:
            self._load.stopping.set()
        async with asyncio.timeout(_ENDING_SECONDS):
            await calling

    async def _kill_until(self, ends: float) -> None:
        due = time.monotonic() + _FIRST_KILL_SECONDS
        is_review = True
        while due < ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._kill(is_review=is_review)
            is_review = not is_review
            due += self._kill_seconds
        await asyncio.sleep(max(0.0, ends - time.monotonic()))

    async def _kill(self, *, is_review: bool) -> None:
        process = await self._target(is_review=is_review)
        if process is None:
            self.kills.missed += 1
            return
        await asyncio.to_thread(process.kill)
        if is_review:
            self.kills.review += 1
        else:
            self.kills.persistence += 1
        await asyncio.sleep(_DOWN_SECONDS)
        await asyncio.to_thread(self._case.stack.restart, process)

    async def _target(self, *, is_review: bool) -> Process | None:
        """A process that works on a run at this moment, or serves one that does."""
        stack = self._case.stack
        gives_up = time.monotonic() + _TARGET_SECONDS
        while time.monotonic() < gives_up:
            owners = await asyncio.to_thread(stack.owners)
            busy = [index for index, each in enumerate(stack.reviews) if each.pid in owners]
            if busy and is_review:
                return stack.reviews[self._random.choice(busy)]
            if busy:
                return stack.persistences[self._random.choice(busy) % len(stack.persistences)]
            await asyncio.sleep(0.05)
        return None


async def soak(name: str, stack: Stack, options: argparse.Namespace) -> Result:
    """One database, from the start of its processes to the checker."""
    began = time.monotonic()
    async with running_case(stack, f"Soak{uuid.uuid4().hex[:8]}", is_checked=False) as case:
        work = Soak(case, options.seed, options.minutes, options.kill_seconds)
        await work.go()
        await case.all_ended()
        evidence = await asyncio.to_thread(case.evidence)
        counted = await asyncio.to_thread(figures, evidence)
        broken = await asyncio.to_thread(violations, evidence)
    return Result(name, time.monotonic() - began, work.kills, counted, broken)


async def both(folder: Path, options: argparse.Namespace) -> list[Result]:
    """Both databases at the same time."""
    with ExitStack() as running:
        cluster = await asyncio.to_thread(lambda: running.enter_context(Cluster()))
        stacks = {
            "PostgreSQL": Stack(
                _made(folder / "postgresql"), with_password(cluster.create_database()), persistence_count=2
            ),
            "SQLite": Stack(_made(folder / "sqlite"), f"sqlite:///{folder / 'sqlite' / 'consensus.db'}"),
        }
        for stack in stacks.values():
            running.enter_context(running_stack(stack))
        return await asyncio.gather(*(soak(name, stack, options) for name, stack in stacks.items()))


def table(results: Sequence[Result]) -> str:
    """The checker's table, in Markdown."""
    columns = "database | time | runs | events | model calls | kills of review, persistence | take-overs"
    lines = [
        f"| {columns} | attempts paid twice | violations |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for result in results:
        counted, kills = result.figures, result.kills
        lines.append(
            f"| {result.database} | {result.seconds / 60:.1f} min | {counted.runs} | {counted.events} "
            f"| {counted.model_calls} | {kills.review}, {kills.persistence} | {counted.take_overs} "
            f"| {counted.double_paid_attempts} | {counted.violations} |"
        )
    return "\n".join(lines)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when no rule was broken."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="consensus-soak-") as folder:
        results = asyncio.run(both(Path(folder), options))
    print(table(results))
    for result in results:
        outcomes = ", ".join(f"{count} {state}" for state, count in result.figures.outcomes.items())
        print(f"{result.database}: {outcomes}; {result.kills.missed} kills found no run; seed {options.seed}")
        for line in result.broken[:50]:
            print(f"{result.database}: {line}", file=sys.stderr)
    if options.output is not None:
        options.output.write_text(table(results) + "\n", encoding="utf-8")
    return 1 if any(result.broken for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="default %(default)s")
    parser.add_argument("--kill-seconds", type=float, default=30.0, help="from kill to kill; %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of what is chosen at random; %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table there too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
