"""The targets, each against what was measured in the same run."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.measuring import Figures

TIMES = "\N{MULTIPLICATION SIGN}"
PAIR, PAIR_SQLITE = "pair", "pair_sqlite"
SDK, SDK_INSERTS, HTTP_INSERTS = "sdk", "sdk_inserts", "http_inserts"

Value = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, the bound that must hold, and the one to aim for; `above`: more is better."""

    name: str
    value: Value
    must: float
    aim: float
    unit: str = ""
    above: bool = False

    def meets(self, value: float, bound: float) -> bool:
        return value >= bound if self.above else value <= bound


def _of(figure: str, contender: str = PAIR) -> Value:
    return lambda figures: figures.median(contender, figure)


def _ratio(figure: str, floor: str, floor_figure: str = "") -> Value:
    def value(figures: Figures) -> float | None:
        mine, theirs = figures.median(PAIR, figure), figures.median(floor, floor_figure or figure)
        return mine / theirs if mine is not None and theirs else None

    return value


def _slower(figure: str) -> Value:
    """Of both databases."""

    def value(figures: Figures) -> float | None:
        known = [figures.median(each, figure) for each in (PAIR, PAIR_SQLITE)]
        return max((each for each in known if each is not None), default=None)

    return value


TARGETS = (
    Target("added latency, 1 at a time, p50, to SDK with inserts",
           _ratio("added_1_p50_ms", SDK_INSERTS), 1.2, 1.2, TIMES),
    Target("added latency, 1 at a time, p50, to SDK", _ratio("added_1_p50_ms", SDK), 1e9, 1.0, TIMES),
    Target("added latency, 100 at a time, p50", _of("added_100_p50_ms"), 60, 15, "ms"),
    Target("added latency, 100 at a time, p99", _of("added_100_p99_ms"), 250, 40, "ms"),
    Target("reviews/s, 0 s model, to SDK", _ratio("reviews_per_s", SDK), 1.3, 2.5, TIMES, above=True),
    Target("CPU per review, both services, to SDK", _ratio("cpu_ms", SDK), 1.0, 0.4, TIMES),
    Target("memory per review in flight, both services", _of("burst_memory_kib"), 250, 100, "KiB"),
    Target("500 at once, 5 s model", _of("burst_seconds"), 13, 11.3, "s"),
    Target("2,000 at once, 20 s model", _of("crush_seconds"), 60, 45, "s"),
    Target("commits in sequence on a review's path", _of("commits_in_sequence"), 4, 4),
    Target("commits per review, 100 at a time", _of("crowd_100_commits"), 5, 4),
    Target("commits per review, saturated", _of("saturated_commits"), 1, 0.5),
    Target("WAL per review, saturated", _of("saturated_wal_kib"), 24, 14, "KiB"),
    Target("records acked/s, 100 streams, PostgreSQL", _of("acks_per_s"), 4000, 10000, above=True),
    Target("the same, p99", _of("ack_p99_ms"), 40, 20, "ms"),
    Target("records acked/s, 100 streams, SQLite", _of("acks_per_s", PAIR_SQLITE), 4000, 10000, above=True),
    Target("AppendEvents of 10 events, p50, slower database", _slower("append_events_p50_ms"), 5, 2.5, "ms"),
    Target("CheckAndSet, p50, slower database", _slower("check_and_set_p50_ms"), 5, 2.5, "ms"),
    Target("ListEvents, a page of 50, p50, slower database", _slower("list_events_p50_ms"), 10, 5, "ms"),
    Target("GetDraft, p50, slower database", _slower("get_draft_p50_ms"), 20, 10, "ms"),
    Target("replay of a finished run, p99", _of("replay_p99_ms"), 50, 15, "ms"),
)  # fmt: skip
