"""Hostile callers and a hostile model against the real pair, on both databases; what each attack costs.

Then the callers once more, as strangers: the pair asks for keys, and they have none.

Exit code 1 only for what a busy machine does not change: a call that ended as it must not, memory beyond its
bound, a health check without an answer, something accepted that must be refused, a run that is not there.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_rpc.telemetry.log import configure_logging
from tests.hostile import answers, callers
from tests.hostile.attack import Attack, Target, of_a_stranger
from tests.hostile.measuring import SERVICES, Cost, Meter, neighbour
from tests.support.access import KEYS_ON, bearer, make_keys
from tests.support.hostile_provider import HostileProvider
from tests.support.pair import running_pair
from tests.support.ports import HeldPorts
from tests.support.postgres import Cluster

MOST_MIB = 64
"""What any attack may take of a service's memory; docs allow some of them more."""

STRANGERS = "SQLite, callers without a credential"
_ATTACKS = (*callers.ATTACKS, *answers.ATTACKS)
_COLUMNS = (
    "attack",
    "sends",
    "ended",
    "peak over idle, MiB: review, persistence",
    "loop lag p99, most, ms",
    "health answered",
    "slowest, ms",
    "neighbour's reads p50, p99, ms",
)
_IDLE_SECONDS = 3.0
_SETTLE_SECONDS = 0.15
_START_SECONDS = 60.0
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]


@dataclass(frozen=True, slots=True)
class Result:
    """What one attack came to; without an attack, the idle time."""

    name: str
    sends: str
    ends: Counter[str]
    cost: Cost
    wrong: list[str]


async def attacked(target: Target, meter: Meter, attack: Attack, seconds: float) -> Result:
    """Rounds of one attack until its time is over, at least one."""
    ends, until = Counter[str](), time.monotonic() + seconds
    async with meter.measured() as cost:
        while not ends or time.monotonic() < until:
            ends += await attack.act(target)
        await asyncio.sleep(_SETTLE_SECONDS)
    wrong = [f"{count} {end}" for end, count in ends.items() if end not in attack.may_end]
    return Result(attack.name, attack.sends, ends, cost, wrong + _broken_bounds(attack, cost))


def _broken_bounds(attack: Attack, cost: Cost) -> list[str]:
    most = MOST_MIB + attack.documented_mib
    broken = [
        f"{name} took {cost.grown_mib(name):.0f} MiB of {most}"
        for name in SERVICES
        if cost.grown_mib(name) > most
    ]
    unanswered = cost.health.total() - cost.health["OK"]
    return broken + ([f"{unanswered} health checks unanswered"] if unanswered else [])


async def _has_begun(lines: Path) -> None:
    """Waits until the neighbour has been answered: what is idle is measured by it."""
    async with asyncio.timeout(_START_SECONDS):
        while not lines.stat().st_size:  # noqa: ASYNC110, ASYNC240 - it is another process
            await asyncio.sleep(_SETTLE_SECONDS)


async def idle(meter: Meter, seconds: float) -> Result:
    """The neighbour alone."""
    async with meter.measured() as cost:
        await asyncio.sleep(seconds)
    return Result("idle", "nothing but the neighbour's calls", Counter(), cost, [])


async def kept(target: Target, accepted: int) -> list[str]:
    """What is wrong with the record: all that was accepted is listed and exported, and nothing else is."""
    stub: Any = review_service_pb2_grpc.ReviewServiceStub(target.review)
    mine = bearer(target.key)
    export = stub.ExportRuns(review_service_pb2.ExportRunsRequest(), timeout=60, metadata=mine)
    exported = [each async for each in export]
    of_attackers = [each for each in exported if "two wards." in each.run.specification.idea]
    wrong = [] if len(of_attackers) == accepted else [f"{len(of_attackers)} of {accepted} accepted runs kept"]
    for each in of_attackers[:20]:
        request = review_service_pb2.GetRunRequest(run_id=each.run.run_id)
        await stub.GetRun(request, timeout=10, metadata=mine)
    return wrong


async def one_database(
    folder: Path, database_url: str, attacks: Sequence[Attack], seconds: float, *, asks_for_keys: bool = False
) -> list[Result]:
    """All attacks on a pair of their own; where that asks for keys, the neighbour alone has one."""
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(HeldPorts())
        metrics = {name: ports.listen() for name in SERVICES}
        review = {"METRICS_LISTEN": metrics["review"], "SLOW_CONSUMER_SECONDS": "2", "LOG_LEVEL": "ERROR"}
        review["MAX_RETRIES_PER_PERSONA"] = "1"
        record = {"METRICS_LISTEN": metrics["persistence"], "LOG_LEVEL": "ERROR"}
        key = ""
        if asks_for_keys:
            own, key = await asyncio.to_thread(make_keys, database_url, "service", "submitter")
            review, record = review | KEYS_ON | {"PERSISTENCE_KEY": own}, record | KEYS_ON
        provider = HostileProvider()
        await stack.enter_async_context(provider.serving())
        review["OPENAI_BASE_URL"] = f"http://{provider.address}/v1"
        starting = running_pair(folder, database_url, review=review, persistence=record)
        pair = await asyncio.to_thread(starting.__enter__)
        stack.push(starting.__exit__)
        provider.hand_on_to(pair.model_url)
        lines = stack.enter_context(neighbour(pair, folder, key))
        to_review, to_persistence = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, _OWN_CONNECTION))
            for address in (pair.review_address, pair.persistence_address)
        ]
        target = Target(pair, to_review, to_persistence, provider, key)
        meter = Meter(pair, metrics, lines)
        await _has_begun(lines)
        await asyncio.sleep(1.5)  # the first calls of a process are no measure
        results = [await idle(meter, _IDLE_SECONDS)]
        results += [await attacked(target, meter, attack, seconds) for attack in attacks]
        accepted = sum(each.ends["OK"] for each in results if each.name == "full")
        results[-1].wrong.extend(await kept(target, accepted))
    return results


def report(title: str, results: list[Result]) -> None:
    """Print one database's table, in Markdown."""
    print(f"\n## {title}\n")
    columns = (*_COLUMNS, "wrong")
    print(f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    rest = results[0].cost.peak_mib
    for each in results:
        cost = each.cost
        ends = ", ".join(f"{count} {end}" for end, count in each.ends.items()) or "-"
        over = ", ".join(f"{cost.peak_mib[name] - rest[name]:.0f}" for name in SERVICES)
        health = f"{cost.health['OK']} of {cost.health.total()}"
        print(
            f"| {each.name} | {each.sends} | {ends} | {over} | {cost.lag_p99_ms:g}, {cost.lag_most_ms:g}"
            f" | {health} | {cost.health_most_ms:.0f} | {cost.read_p50_ms:.0f}, {cost.read_p99_ms:.0f}"
            f" | {'; '.join(each.wrong) or 'nothing'} |"
        )
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when every bound held."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of each attack that does not wait")
    parser.add_argument("--strangers", action="store_true", help="the callers without a credential alone")
    parser.add_argument("--only", metavar="NAME", help="the attacks whose names hold this")
    options = parser.parse_args(arguments)
    configure_logging("hostile", level="ERROR")
    attacks = [
        each
        for each in _ATTACKS
        if not (options.quick and each.is_slow) and (options.only or "") in each.name
    ]
    seconds = 0.0 if options.quick else 2.5
    wrong = False
    with tempfile.TemporaryDirectory(prefix="consensus-hostile-") as folder, Cluster() as cluster:
        by_strangers = [of_a_stranger(each) for each in attacks if each in callers.ATTACKS]
        for title, url, chosen in (
            ("SQLite", f"sqlite:///{folder}/consensus.db", attacks),
            ("PostgreSQL", cluster.create_database(), attacks),
            (STRANGERS, f"sqlite:///{folder}/strangers.db", by_strangers),
        ):
            if options.strangers and title != STRANGERS:
                continue
            place = Path(folder) / title
            place.mkdir()
            asks = title == STRANGERS
            results = asyncio.run(one_database(place, url, chosen, seconds, asks_for_keys=asks))
            report(title, results)
            wrong = wrong or any(each.wrong for each in results)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
