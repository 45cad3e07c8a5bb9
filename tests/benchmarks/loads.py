"""Ways to load a contender, and the process that does so: a command a line on stdin, its result on stdout."""

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any

Review = Callable[[], Awaitable[list[float] | None]]
"""One piece of work. Its time is measured, unless it answers with times of its own."""
Jobs = dict[str, Review]
Result = dict[str, Any]


async def spaced(review: Review, count: int, interval: float) -> Result:
    """Begins a review every `interval` seconds whatever becomes of those before."""
    tasks = []
    started = perf_counter()
    for index in range(count):
        await asyncio.sleep(max(0.0, started + index * interval - perf_counter()))
        tasks.append(asyncio.create_task(_timed(review)))
    return _result(started, await asyncio.gather(*tasks))


async def closed(review: Review, count: int, concurrency: int) -> Result:
    """Keeps `concurrency` reviews under way until `count` were begun."""
    left = iter(range(count))
    latencies: list[list[float] | None] = []

    async def work() -> None:
        for _ in left:
            latencies.append(await _timed(review))  # noqa: PERF401 - several do so at once

    started = perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return _result(started, latencies)


async def _timed(review: Review) -> list[float] | None:
    """Seconds that a review took; None for one that failed."""
    started = perf_counter()
    try:
        own = await review()
    except Exception as error:  # noqa: BLE001 - a contender that fails is a result
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return None
    return [perf_counter() - started] if own is None else own


def _result(started: float, latencies: list[list[float] | None]) -> Result:
    done = [each for each in latencies if each is not None]
    return {
        "seconds": perf_counter() - started,
        "latencies": [latency for each in done for latency in each],
        "failed": len(latencies) - len(done),
    }


async def _do(jobs: Jobs, command: dict[str, Any]) -> Result:
    review = jobs[command["job"]]
    if command["load"] == "spaced":
        return await spaced(review, command["count"], command["interval"])
    return await closed(review, command["count"], command["concurrency"])


def obey(make: Callable[[], Coroutine[Any, Any, Jobs]]) -> None:
    """Carries out commands until stdin ends; `make` is called once, inside the loop."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner() as runner:
        jobs = runner.run(make())
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            print(json.dumps(runner.run(_do(jobs, json.loads(line)))), flush=True)
