"""What an attack costs the services and their neighbours: memory, lag of the event loop, health, latency."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.hostile.probe import HEALTH, READ, REVIEW
from tests.support.pair import Pair
from tests.support.processes import clean_environment

_LOOK_SECONDS = 0.02
_LAG = "consensus_event_loop_lag_seconds_bucket"
SERVICES = ("review", "persistence")


@dataclass(slots=True)
class Cost:
    """Of one attack, or of the idle time before all; MiB and milliseconds."""

    before_mib: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)
    lag_p99_ms: float = 0.0
    lag_most_ms: float = 0.0
    health: Counter[str] = field(default_factory=Counter)
    health_most_ms: float = 0.0
    read_p50_ms: float = 0.0
    read_p99_ms: float = 0.0
    reviews: Counter[str] = field(default_factory=Counter)

    def grown_mib(self, service: str) -> float:
        """How much more memory it took than it began with."""
        return self.peak_mib[service] - self.before_mib[service]


class Meter:
    """Measures whatever happens inside its block; the neighbour writes to `lines`."""

    def __init__(self, pair: Pair, metrics: dict[str, str], lines: Path) -> None:
        assert pair.review is not None
        assert pair.persistence is not None
        self._processes = {
            "review": psutil.Process(pair.review.pid),
            "persistence": psutil.Process(pair.persistence.pid),
        }
        self._metrics = metrics
        self._lines = lines

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[Cost]:
        """The cost is complete after the block."""
        cost = Cost(before_mib=self._resident(), peak_mib=self._resident())
        began, lag = time.monotonic(), await asyncio.to_thread(self._lag)
        watching = asyncio.create_task(self._watch(cost))
        try:
            yield cost
        finally:
            watching.cancel()
            later = await asyncio.to_thread(self._lag)
            _note_lag(cost, later - lag)
            self._note_neighbours(cost, began)

    async def _watch(self, cost: Cost) -> None:
        while True:
            for name, size in self._resident().items():
                cost.peak_mib[name] = max(cost.peak_mib[name], size)
            await asyncio.sleep(_LOOK_SECONDS)

    def _resident(self) -> dict[str, float]:
        return {name: each.memory_info().rss / 2**20 for name, each in self._processes.items()}

    def _lag(self) -> Counter[float]:
        """Samples of both services at most so late, by the bound in seconds."""
        counted = Counter[float]()
        for address in self._metrics.values():
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
                text = page.read().decode()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name == _LAG:
                        counted[float(sample.labels["le"])] += int(sample.value)
        return counted

    def _note_neighbours(self, cost: Cost, began: float) -> None:
        took: dict[str, list[float]] = {HEALTH: [], READ: [], REVIEW: []}
        for line in self._lines.read_text().splitlines():
            ended, what, seconds, end = json.loads(line)
            if ended < began:
                continue
            took[what].append(seconds * 1000)
            if what == HEALTH:
                cost.health[end] += 1
            elif what == REVIEW:
                cost.reviews[end] += 1
        cost.health_most_ms = max(took[HEALTH], default=0.0)
        cost.read_p50_ms, cost.read_p99_ms = percentile(took[READ], 0.5), percentile(took[READ], 0.99)


def _note_lag(cost: Cost, bounded: Counter[float]) -> None:
    """The bound of the histogram that the 99th percentile, and the most, are within."""
    total = max(bounded.values(), default=0)
    bounds = sorted(bounded)
    cost.lag_p99_ms = next((each for each in bounds if bounded[each] >= 0.99 * total), 0.0) * 1000
    cost.lag_most_ms = next((each for each in bounds if bounded[each] >= total), 0.0) * 1000


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share is not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@contextmanager
def neighbour(pair: Pair, folder: Path, key: str = "") -> Iterator[Path]:
    """A neighbour in a process of its own, with this access key, and the file that it writes to."""
    lines = folder / "neighbour.jsonl"
    with lines.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hostile.probe"),
                *(pair.review_address, pair.persistence_address, pair.internal_address),
            ],
            env=clean_environment(**({"CONSENSUS_KEY": key} if key else {})),
            stdin=subprocess.DEVNULL,
            stdout=output,
        )
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(10)
