"""What the scaling benchmark says was the limit follows from what was measured."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import psutil
import pytest

from tests.benchmarks.scale.layouts import Layout
from tests.benchmarks.scale.report import Point, Sample, conclusions, rows
from tests.benchmarks.scale.usage import Usage, held, metered


def usage(
    machine: float, persistence: Sequence[float] = (0.4,), held_to: float | None = None, review: float = 0.5
) -> Usage:
    by_process: Mapping[str, Sequence[float]] = {
        "review": [review], "persistence": persistence, "PostgreSQL": [0.2], "model": [0.0], "caller": [0.1],
    }  # fmt: skip
    return Usage(1.0, 2, by_process, machine, held_to)


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (
            usage(1.95, review=1.2),
            "the cores: 1.95 of 2 busy (review 1.20, persistence 0.40, PostgreSQL 0.20)",
        ),
        (usage(1.95), "the cores: 1.95 of 2 busy (other work 0.75, review 0.50, persistence 0.40)"),
        (usage(1.5, (0.95,), review=0.2), "one core: a process of persistence used 0.95 of it"),
        (usage(1.2), "no core: 1.20 of 2 busy, the rest was waiting"),
        (usage(1.2, (0.24, 0.24), 0.25), "persistence, held to 0.25 of a core each"),
        (
            usage(2.0, (0.15, 0.15), 0.25),
            "the cores: 2.00 of 2 busy (other work 0.90, review 0.50, persistence 0.30)",
        ),
    ],
)
def test_the_limit_is_what_was_used_up(measured: Usage, said: str) -> None:
    assert measured.bottleneck() == said


def test_a_busy_process_is_metered_and_a_held_one_runs_for_its_share() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with held([busy.pid], 0.3), metered({"busy": [busy.pid]}) as meter:
            time.sleep(1.0)
        assert 0.0 < meter.result().of("busy") < 0.6
        assert psutil.Process(busy.pid).status() != psutil.STATUS_STOPPED
    finally:
        busy.kill()
        busy.wait()


def sample(per_second: float, measured: Usage) -> Sample:
    return Sample(per_second, 10.0, 0, measured)


def test_rows_hold_medians_with_their_spread() -> None:
    samples = {
        Point("reviews", Layout(1, 1)): [sample(each, usage(1.95, review=1.2)) for each in (90, 100, 120)],
        Point("reviews", Layout(2, 1)): [sample(150, usage(1.95, review=1.2))],
    }
    header, first, second = rows(samples, "reviews")
    assert header[:3] == ["review x persistence", "reviews/s", "to the first"]
    assert first[:3] == ["1 x 1", "100 ±15 %", "1.00 \N{MULTIPLICATION SIGN}"]
    assert second[:3] == ["2 x 1", "150", "1.50 \N{MULTIPLICATION SIGN}"]


def test_a_second_persistence_process_is_compared_within_its_kind() -> None:
    samples = {
        Point("records", Layout(2, 1), 0.25): [sample(500, usage(0.8, (0.25,), 0.25))],
        Point("records", Layout(2, 2), 0.25): [sample(950, usage(1.4, (0.25, 0.25), 0.25))],
        Point("records", Layout(2, 2, shared=True)): [sample(2000, usage(2.0))],
    }
    (said,) = conclusions(samples)
    assert "each held to 0.25 of a core: 1.90 \N{MULTIPLICATION SIGN} the records acked a second" in said
    assert said.endswith("Limit with two: persistence, held to 0.25 of a core each.")
