"""A day of half a million reviews at its own rate, its hours compressed into minutes.

Callers come by the hour, few at night and many at noon, to two processes of each service, on a PostgreSQL
with a standby for which commits wait. The model is slow for a while and fails for a while; processes are
killed, the primary dies, a release goes out, and at last ten times the load comes at once. Then the checker
of the fault suite reads the database, what callers were told and what the model counted. It ends with 1 where
a rule was broken or a caller got no decision. All of it stays on loopback and in a temporary folder.

Half a million is what two cores carry that are the model, the callers and two database servers as well.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.faults.case import Case, running_case
from tests.faults.checker.check import figures, violations
from tests.faults.standby import Servers
from tests.rehearsal.day import MODEL, Day, word_of
from tests.rehearsal.report import Report
from tests.rehearsal.traffic import Traffic
from tests.rehearsal.weighing import Scales, database_mebibytes, log_position
from tests.support.pair import until
from tests.support.postgres import Cluster

_REVIEWS_A_DAY = 500_000
_LEASE_SECONDS = 10
_RUNS_IN_FLIGHT = 150
_HEARTBEAT_SECONDS = 5  # far below the patience of callers, who would else ask again in their thousands
_IN_STEP_SECONDS = 60.0
_TOLD_SECONDS = 15.0
_MIB = 2**20


async def rehearse(folder: Path, options: argparse.Namespace) -> Report:
    """The day, and what the checker says of it."""
    with Cluster() as primary, Cluster(primary) as standby:
        servers = Servers(primary, standby)
        primary.require_standby()
        await until(lambda: asyncio.to_thread(servers.in_step), _IN_STEP_SECONDS)
        review = {
            "MAX_RUNS_IN_FLIGHT": str(_RUNS_IN_FLIGHT), "DRAIN_GRACE_SECONDS": "10",
            "HEARTBEAT_SECONDS": str(_HEARTBEAT_SECONDS),
        }  # fmt: skip
        async with (
            servers.stack(folder, {"LEASE_SECONDS": str(_LEASE_SECONDS)}, review) as stack,
            running_case(stack, f"Day{uuid.uuid4().hex[:8]}", is_checked=False) as case,
        ):
            return await _day(case, servers, options)


async def _day(case: Case, servers: Servers, options: argparse.Namespace) -> Report:
    traffic = Traffic(
        case, random.Random(options.seed), options.reviews_a_day / 86_400, options.minutes * 60, word_of
    )
    day, scales = Day(case.stack, servers, traffic), Scales(case.stack)
    await (await case.at(case.stack.reviews[0])).model.script(*MODEL)
    before = await asyncio.to_thread(log_position, servers.primary)
    weighing = asyncio.create_task(scales.weigh())
    telling = asyncio.create_task(_tell(traffic, day))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.go())
            group.create_task(day.go())
        await case.all_ended()
        evidence = await asyncio.to_thread(case.evidence)
        log = (await asyncio.to_thread(log_position, servers.standby) - before) / _MIB
        return Report(
            minutes=options.minutes,
            per_second=traffic.per_second,
            finished=traffic.finished,
            refused=traffic.refused,
            happenings=day.done,
            weights=scales.weights,
            database=await asyncio.to_thread(database_mebibytes, servers.standby),
            log=log,
            checked=await asyncio.to_thread(figures, evidence),
            broken=await asyncio.to_thread(violations, evidence),
        )
    finally:
        weighing.cancel()
        telling.cancel()
        await day.close()


async def _tell(traffic: Traffic, day: Day) -> None:
    while True:
        await asyncio.sleep(_TOLD_SECONDS)
        last = f"; {day.done[-1]}" if day.done else ""
        hour = f"{traffic.hour:4.1f} o'clock" if traffic.hour < 24 else "checking"
        print(f"{hour}: {traffic.arrived} came, {traffic.open} wait{last}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when no rule was broken and every caller got a decision."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="consensus-day-") as folder:
        report = asyncio.run(rehearse(Path(folder), options))
    print(report.text())
    for line in report.broken[:50]:
        print(line, file=sys.stderr)
    if options.output is not None:
        options.output.write_text(report.text() + "\n", encoding="utf-8")
    return 1 if report.broken or report.goodput < 1 else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the day lasts; %(default)s")
    parser.add_argument(
        "--reviews-a-day", type=float, default=_REVIEWS_A_DAY, help="the mean rate; %(default)s"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is chosen at random; %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
