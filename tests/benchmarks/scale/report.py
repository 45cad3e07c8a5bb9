"""The tables, the same as JSON and Markdown, and the plot."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import plots
from tests.benchmarks.report import number
from tests.benchmarks.scale.layouts import Layout
from tests.benchmarks.scale.usage import Usage
from tests.benchmarks.targets import TIMES

COMPONENTS = {
    "reviews": ("review", "persistence", "PostgreSQL", "model", "caller"),
    "records": ("persistence", "PostgreSQL", "caller"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured: `what` is reviews or records; `held_to` the share of a core for persistence."""

    what: str
    layout: Layout
    held_to: float | None = None

    @property
    def name(self) -> str:
        if self.what == "reviews":
            return self.layout.name
        shared = ", --workers" if self.layout.shares_persistence else ""
        held = f", each held to {self.held_to:.2f} of a core" if self.held_to else ""
        return f"{self.layout.persistences}{shared}{held}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of a point."""

    per_second: float
    p99_ms: float
    failed: int
    usage: Usage

    @property
    def per_persistence_second(self) -> float:
        """How many for one second of persistence's time on the CPU."""
        return self.per_second / self.usage.of("persistence")


Samples = Mapping[Point, Sequence[Sample]]


def median(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    return statistics.median(map(value, samples))


def rate(samples: Sequence[Sample]) -> float:
    return median(samples, lambda each: each.per_second)


def bottleneck(samples: Sequence[Sample]) -> str:
    """Of the round in the middle."""
    return sorted(samples, key=lambda each: each.per_second)[len(samples) // 2].usage.bottleneck()


def _rate_cell(samples: Sequence[Sample]) -> str:
    rates = [each.per_second for each in samples]
    middle = statistics.median(rates)
    spread = f" ±{(max(rates) - min(rates)) / 2 / middle * 100:.0f} %" if len(rates) > 1 and middle else ""
    failed = sum(each.failed for each in samples)
    return number(middle) + spread + (f" ({failed} failed)" if failed else "")


def _cores(samples: Sequence[Sample], component: str) -> str:
    """All of a component, and the busiest process of several."""
    whole = median(samples, lambda each: each.usage.of(component))
    if len(samples[0].usage.by_process[component]) == 1:
        return f"{whole:.2f}"
    most = median(samples, lambda each: max(each.usage.by_process[component]))
    return f"{whole:.2f} (most {most:.2f})"


def rows(samples: Samples, what: str) -> list[list[str]]:
    """The header, then a row for each point."""
    found = {point: each for point, each in samples.items() if point.what == what and each}
    first = rate(next(iter(found.values()))) if found else 0.0
    counted = "review x persistence" if what == "reviews" else "persistence processes"
    special = ["to the first"] if what == "reviews" else ["p99, ms", "per persistence CPU second"]
    header = [counted, f"{what}/s", *special, *(f"{each}, cores" for each in COMPONENTS[what])]
    table = [[*header, "other work, cores", "machine, cores", "what was the limit"]]
    for point, each in found.items():
        if what == "reviews":
            cells = [f"{rate(each) / first:.2f} {TIMES}"]
        else:
            p99 = median(each, lambda sample: sample.p99_ms)
            cells = [number(p99), number(median(each, lambda sample: sample.per_persistence_second))]
        table.append(
            [
                point.name,
                _rate_cell(each),
                *cells,
                *(_cores(each, component) for component in COMPONENTS[what]),
                f"{median(each, lambda sample: sample.usage.others):.2f}",
                f"{median(each, lambda sample: sample.usage.machine):.2f} of {each[0].usage.cores}",
                bottleneck(each),
            ]
        )
    return table


def conclusions(samples: Samples) -> list[str]:
    """What a second persistence process gave, in sentences."""
    said = []
    for held_to in sorted({point.held_to for point in samples if point.what == "records"}, key=str):
        pair = [_records(samples, count, held_to) for count in (1, 2)]
        one, two = pair
        if not one or not two:
            continue
        where = f"each held to {held_to:.2f} of a core" if held_to else "on all cores"
        machine = median(two, lambda each: each.usage.machine)
        per_second = [median(each, lambda sample: sample.per_persistence_second) for each in pair]
        said.append(
            f"A second persistence process, {where}: {rate(two) / rate(one):.2f} {TIMES} the records acked a "
            f"second, {per_second[1] / per_second[0]:.2f} {TIMES} the records per second of its CPU; the "
            f"machine {machine:.2f} of {two[0].usage.cores} cores busy. Limit with two: {bottleneck(two)}."
        )
    return said


def _records(samples: Samples, count: int, held_to: float | None) -> Sequence[Sample]:
    return next(
        (
            each
            for point, each in samples.items()
            if (point.what, point.layout.persistences, point.held_to) == ("records", count, held_to)
            and not point.layout.shares_persistence
        ),
        (),
    )


def about_line(about: Mapping[str, Any]) -> str:
    """Where it was measured, and how."""
    return (
        f"{about['cpus']} CPUs, {about['cpu']}, {about['memory_gib']} GiB; Python {about['python']},"
        f" PostgreSQL {about['postgresql']}, fsync {about['fsync']}; load {about['load_before']:.1f}; medians"
        f" of {about['rounds']} rounds, ± half the range; {about['seconds']} s"
    )


def show(console: Console, samples: Samples, about: Mapping[str, Any]) -> None:
    """Prints all of it."""
    console.print(about_line(about))
    titles = {
        "reviews": "Reviews, a model that answers at once, PostgreSQL",
        "records": "Records on 100 streams, persistence and PostgreSQL alone",
    }
    for what, title in titles.items():
        header, *body = rows(samples, what)
        table = Table(title=title)
        for column in header:
            table.add_column(column, justify="left" if column in (header[0], header[-1]) else "right")
        for row in body:
            table.add_row(*row)
        console.print(table)
    for sentence in conclusions(samples):
        console.print(sentence)


def markdown(samples: Samples, about: Mapping[str, Any]) -> str:
    """Both tables and what follows from them, for a page of documentation."""
    parts = [about_line(about)]
    for what in COMPONENTS:
        header, *body = rows(samples, what)
        ruler = ["---", *("---:" for _ in header[1:-1]), "---"]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in (header, ruler, *body)))
    parts.append("\n".join(f"- {sentence}" for sentence in conclusions(samples)))
    return "\n\n".join(parts) + "\n"


def document(samples: Samples, about: Mapping[str, Any]) -> dict[str, Any]:
    """All that was measured, as JSON data."""
    points = [
        {
            "what": point.what,
            "name": point.name,
            "layout": asdict(point.layout),
            "held_to": point.held_to,
            "bottleneck": bottleneck(each),
            "samples": [asdict(sample) for sample in each],
        }
        for point, each in samples.items()
        if each
    ]
    return {"facts": about, "points": points, "conclusions": conclusions(samples)}


def draw(samples: Samples, folder: Path, console: Console) -> None:
    """Writes scale.png and scale.svg: rates, and the cores that each component used."""

    def make(plt: Any) -> Any:
        figure, axes = plt.subplots(2, 1, figsize=(8, 7), layout="constrained")
        titles = {"reviews": "review x persistence processes", "records": "persistence processes alone"}
        for each, (what, title) in zip(axes, titles.items(), strict=True):
            _bars(
                each, {point: found for point, found in samples.items() if point.what == what and found}, what
            )
            each.set(xlabel="cores used", title=f"{title}: cores, and {what}/s")
        return figure

    plots.save(folder, console, {"scale": make})


_COLORS = {
    "review": "tab:blue",
    "persistence": "tab:orange",
    "PostgreSQL": "tab:green",
    "model": "tab:red",
    "caller": "tab:purple",
    "other work": "tab:gray",
}


def _bars(axes: Any, samples: Samples, what: str) -> None:
    names = [point.name for point in samples]
    left = [0.0] * len(names)
    for component in (*COMPONENTS[what], "other work"):
        widths = [median(each, partial(_share, component)) for each in samples.values()]
        axes.barh(names, widths, left=left, label=component, color=_COLORS[component])
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for row, (end, each) in enumerate(zip(left, samples.values(), strict=True)):
        axes.text(end + 0.03, row, f"{rate(each):,.0f}/s", va="center")
    axes.set_xlim(0, max(left, default=1.0) * 1.2)
    axes.invert_yaxis()
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def _share(component: str, sample: Sample) -> float:
    return sample.usage.others if component == "other work" else sample.usage.of(component)
