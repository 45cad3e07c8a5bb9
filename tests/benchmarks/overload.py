"""Ten times the load that one review service admits: what becomes of the admitted, and of the refused.

First as many callers as runs are admitted, one run after the other: the unloaded goodput. Then starts arrive
at ten times that rate, whatever becomes of them. Prints goodput, the refusals' latency beside that of health
checks in both phases (which cost nothing themselves: what they wait for, everybody waits for), and the memory
of both services.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from offline_model.script import Rule
from tests.support.pair import REVIEW, Client, Pair, running_pair
from tests.support.postgres import Cluster

_IDEA = "A rota lets two wards swap shifts on one page, and it is done when swaps take under a minute."
_TIMES = 10
_CHECK_SECONDS = 0.02
# Of a refusal, or where no call is so quick, over what a health check took before the overload.
_MOST_MS, _MOST_RATIO = 50.0, 2.0


@dataclass(slots=True)
class Tally:
    """What became of the starts of one phase."""

    completed: int = 0
    failed: int = 0
    refused: list[float] = field(default_factory=list)
    """Seconds from the call to its refusal."""
    checked: list[float] = field(default_factory=list)
    """Seconds that health checks took meanwhile."""
    without_retry_info: int = 0
    pushed_back: int = 0


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds; 0 of none."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


async def one(client: Client, tally: Tally, counting: asyncio.Event) -> bool:
    """One start; whether it was admitted. Counted only while `counting` is set."""
    began = time.perf_counter()
    try:
        events = await client.stream(_IDEA)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            tally.failed += counting.is_set()
        elif counting.is_set():
            tally.refused.append(time.perf_counter() - began)
            trailers = dict(error.trailing_metadata() or ())
            tally.pushed_back += "grpc-retry-pushback-ms" in trailers
            tally.without_retry_info += b"RetryInfo" not in bytes(
                trailers.get("grpc-status-details-bin", b"")
            )
        return False
    tally.completed += counting.is_set() and events[-1].HasField("run_completed")
    return True


async def unloaded(client: Client, health: Any, admitted: int, seconds: float) -> Tally:
    """As many callers as are admitted, each with one run at a time."""
    tally, counting, ends = Tally(), asyncio.Event(), time.monotonic() + seconds + 2

    async def caller() -> None:
        while time.monotonic() < ends:
            await one(client, tally, counting)

    checks = asyncio.create_task(checking(health, tally, counting))
    callers = [asyncio.create_task(caller()) for _ in range(admitted)]
    await asyncio.sleep(2)
    counting.set()
    await asyncio.sleep(seconds)
    counting.clear()
    checks.cancel()
    await asyncio.gather(*callers)
    return tally


async def checking(health: Any, tally: Tally, counting: asyncio.Event) -> None:
    """Health checks all the while, on a connection that is the same as the callers'."""
    while True:
        began = time.perf_counter()
        await health.Check(health_pb2.HealthCheckRequest(service=REVIEW), timeout=30)
        if counting.is_set():
            tally.checked.append(time.perf_counter() - began)
        await asyncio.sleep(_CHECK_SECONDS)


async def overloaded(client: Client, health: Any, rate: float, seconds: float) -> Tally:
    """Starts at a fixed rate, whatever becomes of them."""
    tally, counting, tasks = Tally(), asyncio.Event(), set[asyncio.Task[bool]]()
    checks = asyncio.create_task(checking(health, tally, counting))
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds + 2:
        if now >= 2:
            counting.set()
        due = began + (len(tasks) + 1) / rate
        tasks.add(asyncio.create_task(one(client, tally, counting)))
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    counting.clear()
    checks.cancel()
    await asyncio.gather(*tasks)
    return tally


def memory(pair: Pair) -> dict[str, float]:
    """Resident memory of both services, in MiB."""
    assert pair.review is not None
    assert pair.persistence is not None
    pids = {"review": pair.review.pid, "persistence": pair.persistence.pid}
    return {name: psutil.Process(pid).memory_info().rss / 2**20 for name, pid in pids.items()}


async def measure(pair: Pair, options: argparse.Namespace) -> bool:
    """Both phases and their table; whether all bounds hold."""
    async with pair.client() as client, grpc.aio.insecure_channel(pair.review_address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        await client.model.script(Rule(delay_seconds=options.model_seconds))
        calm = await unloaded(client, health, options.admitted, options.seconds / 2)
        goodput = calm.completed / (options.seconds / 2)
        before = memory(pair)
        tally = await overloaded(client, health, goodput * _TIMES, options.seconds)
    return report(goodput, calm, tally, before, memory(pair), options)


def report(
    goodput: float,
    calm: Tally,
    tally: Tally,
    before: dict[str, float],
    after: dict[str, float],
    options: argparse.Namespace,
) -> bool:
    """Print the table, in Markdown."""
    loaded = tally.completed / options.seconds
    p99, usual = percentile(tally.refused, 0.99), percentile(calm.checked, 0.99)
    rows: list[tuple[str, Any]] = [
        ("runs admitted at once", options.admitted),
        ("goodput unloaded", f"{goodput:.1f} runs/s"),
        (f"goodput at {_TIMES} times the load", f"{loaded:.1f} runs/s ({loaded / goodput:.0%})"),
        ("refused", f"{len(tally.refused)}, {tally.without_retry_info} of them without RetryInfo"),
        ("refused with pushback", tally.pushed_back),
        ("refusals, p50 and p99", f"{percentile(tally.refused, 0.5):.1f} ms, {p99:.1f} ms"),
        *(
            (
                f"health checks {when}, p50 and p99",
                f"{percentile(of.checked, 0.5):.1f} ms, {percentile(of.checked, 0.99):.1f} ms",
            )
            for when, of in (("unloaded", calm), ("meanwhile", tally))
        ),
        ("refusals' p99 over that of health checks unloaded", f"{p99 / usual:.2f}"),
        ("failed otherwise", tally.failed),
        *(
            (f"memory of {name}, before and after", f"{size:.0f} MiB, {after[name]:.0f} MiB")
            for name, size in before.items()
        ),
    ]
    print("| | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")
    waits = p99 > max(_MOST_MS, _MOST_RATIO * usual)
    return loaded >= 0.9 * goodput and not (waits or tally.failed or tally.without_retry_info)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when all bounds hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of overload; default %(default)s")
    parser.add_argument("--admitted", type=int, default=10, help="runs at once; default %(default)s")
    parser.add_argument("--model-seconds", type=float, default=0.5, help="of a call; default %(default)s")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="consensus-overload-") as folder, Cluster() as cluster:
        settings = {"MAX_RUNS_IN_FLIGHT": str(options.admitted), "LOG_LEVEL": "WARNING"}
        with running_pair(Path(folder), cluster.create_database(), review=settings) as pair:
            return 0 if asyncio.run(measure(pair, options)) else 1


if __name__ == "__main__":
    sys.exit(main())
