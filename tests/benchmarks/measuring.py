"""What is measured of a contender in a round, and how rounds become figures."""

import contextlib
import statistics
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from tests.benchmarks import unary
from tests.benchmarks.contenders import Contender, Loader, cpu_seconds
from tests.benchmarks.job import CALLS_IN_SEQUENCE
from tests.support.postgres import Cluster

KIB = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Latencies and intervals in seconds.

    Only a burst of 500 with 5 s is the target's: any other is named `few`. Of the floors only `burst_floors`
    have one, and a crowd of 100 only in `floor_crowds` rounds: there is no target for theirs.
    """

    rounds: int
    single_reviews: int
    single_latency: float
    crowd_latency: float
    crowd_seconds: float
    crowds: tuple[int, ...]
    saturating: int
    concurrency: int
    burst: int
    burst_latency: float
    burst_name: str
    burst_floors: tuple[str, ...]
    floor_crowds: int
    ack_runs: int
    replays: int
    unary_calls: int


WHOLE = Plan(
    rounds=5, single_reviews=3, single_latency=0.2, crowd_latency=1.0, crowd_seconds=2.0, crowds=(10, 30),
    saturating=100, concurrency=64, burst=500, burst_latency=5.0, burst_name="burst",
    burst_floors=("sdk", "http_inserts"), floor_crowds=1, ack_runs=600, replays=100, unary_calls=100,
)  # fmt: skip
QUICK = Plan(
    rounds=1, single_reviews=3, single_latency=0.2, crowd_latency=1.0, crowd_seconds=1.0, crowds=(),
    saturating=100, concurrency=64, burst=200, burst_latency=0.5, burst_name="few",
    burst_floors=(), floor_crowds=0, ack_runs=100, replays=50, unary_calls=50,
)  # fmt: skip


@dataclass(slots=True)
class Figures:
    """Samples by contender and figure: one per round, or for latencies all of them."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, contender: str, figure: str, *values: float) -> None:
        self.values[contender][figure].extend(values)

    def median(self, contender: str, figure: str) -> float | None:
        values = self.values[contender].get(figure)
        return statistics.median(values) if values else None

    def spread(self, contender: str, figure: str) -> float | None:
        """Half the range of the rounds as a share of their median."""
        values = self.values[contender].get(figure)
        middle = statistics.median(values) if values else 0.0
        return (
            (max(values) - min(values)) / 2 / abs(middle) if values and len(values) > 1 and middle else None
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


class Bench:
    """Loads contenders and notes what it cost."""

    def __init__(self, cluster: Cluster, model_url: str, figures: Figures) -> None:
        self._cluster = cluster
        self._model_url = model_url
        self.figures = figures
        self._resting: dict[str, int] = {}

    def set_latency(self, seconds: float) -> None:
        request = urllib.request.Request(f"{self._model_url}/latency", data=str(seconds).encode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            answer.read()

    def warm_up(self, contender: Contender) -> None:
        self.set_latency(0.0)
        self._load(contender, load="closed", count=30, concurrency=5)

    def single(self, contender: Contender, plan: Plan) -> None:
        """One at a time: what a review takes beyond the model's time."""
        self.set_latency(plan.single_latency)
        with self._writes(contender, "single", plan.single_reviews):
            result = self._load(contender, load="closed", count=plan.single_reviews, concurrency=1)
        added = [latency - CALLS_IN_SEQUENCE * plan.single_latency for latency in result["latencies"]]
        self._note_latencies(contender, 1, added)

    def crowd(self, contender: Contender, plan: Plan, in_flight: int) -> None:
        """So many under way, begun at even intervals: measured once as many are, for a while."""
        self.set_latency(plan.crowd_latency)
        whole = CALLS_IN_SEQUENCE * plan.crowd_latency
        seconds = plan.crowd_seconds if in_flight >= 100 else plan.crowd_latency
        count = in_flight + round(in_flight / whole * seconds)
        with self._writes(contender, f"crowd_{in_flight}", count):
            result = self._load(contender, load="spaced", count=count, interval=whole / in_flight)
        added = [latency - whole for latency in result["latencies"][in_flight:]]
        self._note_latencies(contender, in_flight, added)

    def saturate(self, contender: Contender, plan: Plan) -> None:
        """As many as it can, with a model that answers at once."""
        self.set_latency(0.0)
        count = plan.saturating * (1 if contender.name.startswith("sdk") else 2)
        cpu, loader_cpu = contender.cpu_seconds(), cpu_seconds(contender.loader.pid)
        with self._writes(contender, "saturated", count):
            result = self._load(contender, load="closed", count=count, concurrency=plan.concurrency)
        self.figures.add(contender.name, "reviews_per_s", len(result["latencies"]) / result["seconds"])
        self.figures.add(contender.name, "cpu_ms", (contender.cpu_seconds() - cpu) / count * 1000)
        if contender.loader.pid not in contender.pids:
            caller_ms = (cpu_seconds(contender.loader.pid) - loader_cpu) / count * 1000
            self.figures.add(contender.name, "caller_cpu_ms", caller_ms)

    def burst(self, contender: Contender, count: int, latency: float, name: str = "burst") -> None:
        """Many at once: the time until the last has ended, and the memory that they take."""
        self.set_latency(latency)
        with contender.memory_peak() as peak:
            result = self._load(contender, load="closed", count=count, concurrency=count)
        self.figures.add(contender.name, f"{name}_seconds", result["seconds"])
        self.figures.add(contender.name, f"{name}_memory_kib", (peak.most - peak.idle) / count / KIB)
        time.sleep(1.0)
        self.figures.add(contender.name, f"{name}_kept_mib", (contender.memory() - peak.idle) / KIB / KIB)

    def acks(self, contender: Contender, plan: Plan) -> None:
        """Records acknowledged a second on 100 streams."""
        if contender.acks is None:
            return
        result = contender.acks.load(job="records", load="closed", count=plan.ack_runs, concurrency=100)
        self._check(contender, result)
        self.figures.add(contender.name, "acks_per_s", len(result["latencies"]) / result["seconds"])
        self.figures.add(contender.name, "ack_p99_ms", percentile(result["latencies"], 0.99) * 1000)

    def replay(self, contender: Contender, plan: Plan) -> None:
        """A finished run asked for again under its key, one at a time."""
        if contender.acks is None:
            return
        contender.loader.load(job="replay", load="closed", count=1, concurrency=1)
        result = contender.loader.load(job="replay", load="closed", count=plan.replays, concurrency=1)
        self._check(contender, result)
        self.figures.add(contender.name, "replay_p50_ms", percentile(result["latencies"], 0.5) * 1000)
        self.figures.add(contender.name, "replay_p99_ms", percentile(result["latencies"], 0.99) * 1000)

    def unary(self, contender: Contender, plan: Plan) -> None:
        """Single calls of the persistence service, one at a time."""
        if contender.acks is None:
            return
        service = contender.others[-1]
        with closing(Loader(unary.__name__, service.address, folder=service.log.parent)) as loader:
            self._check(contender, loader.load(job="prepare", load="closed", count=1, concurrency=1))
            for call in unary.CALLS:
                result = loader.load(job=call, load="closed", count=plan.unary_calls, concurrency=1)
                self._check(contender, result)
                if milliseconds := [latency * 1000 for latency in result["latencies"]]:
                    self.figures.add(contender.name, f"{call}_p50_ms", percentile(milliseconds, 0.5))

    def rest(self, contender: Contender) -> None:
        """Notes the memory at rest; from the second time on, what it has grown since the first."""
        resting = contender.memory()
        if contender.name in self._resting:
            grown = resting - self._resting[contender.name]
            self.figures.add(contender.name, "grown_mib", grown / KIB / KIB)
        else:
            self._resting[contender.name] = resting

    def _load(self, contender: Contender, **command: Any) -> Mapping[str, Any]:
        result = contender.loader.load(job="review", **command)
        self._check(contender, result)
        return result

    def _check(self, contender: Contender, result: Mapping[str, Any]) -> None:
        self.figures.failed[contender.name] += result["failed"]

    def _note_latencies(self, contender: Contender, in_flight: int, added: Sequence[float]) -> None:
        if not added:
            return
        milliseconds = [each * 1000 for each in added]
        self.figures.add(contender.name, f"added_{in_flight}_p50_ms", percentile(milliseconds, 0.5))
        self.figures.add(contender.name, f"added_{in_flight}_p99_ms", percentile(milliseconds, 0.99))

    @contextlib.contextmanager
    def _writes(self, contender: Contender, name: str, count: int) -> Iterator[None]:
        """Notes commits that wrote, WAL and PostgreSQL's time on the CPU, per review."""
        if not contender.stores_in_postgres:
            yield
            return
        pid = self._cluster.pid
        assert pid is not None
        cpu, (transactions, wal) = cpu_seconds(pid), self._written()
        yield
        after_transactions, after_wal = self._written()
        self.figures.add(contender.name, f"{name}_commits", (after_transactions - transactions) / count)
        self.figures.add(contender.name, f"{name}_wal_kib", (after_wal - wal) / count / KIB)
        if name == "saturated":
            self.figures.add(contender.name, "postgres_cpu_ms", (cpu_seconds(pid) - cpu) / count * 1000)

    def _written(self) -> tuple[int, int]:
        """Transactions that wrote since the cluster was made, and bytes of WAL.

        Transaction ids rather than pg_stat_database: exact at once, and only what wrote has one.
        """
        with closing(psycopg2.connect(self._cluster.admin_url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
                    " (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
                )
                row = cursor.fetchone()
        assert row is not None
        return int(row[0]), int(row[1])
