"""The plots, where matplotlib is installed (`make bench` sees to it)."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.measuring import Figures
from tests.benchmarks.report import NAMES

_IN_FLIGHT = (1, 10, 30, 100)


Maker = Callable[[Any], Any]
"""Makes a figure with pyplot, which it is given."""


def save(folder: Path, console: Console, makers: Mapping[str, Maker]) -> None:
    """Writes a PNG and an SVG of each figure, under its name."""
    try:
        import matplotlib as mpl
    except ImportError:
        console.print("no plots: matplotlib is not installed")
        return
    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "consensus"
    from matplotlib import pyplot as plt

    for name, make in makers.items():
        figure = make(plt)
        figure.savefig(folder / f"{name}.png", dpi=150)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)
    console.print(f"plots and figures: {folder}")


def draw(figures: Figures, folder: Path, console: Console) -> None:
    """Writes the plots of latency and of throughput."""

    def make(fill: Callable[[Any, Figures], None], plt: Any) -> Any:
        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        fill(axes, figures)
        return figure

    makers = {"latency": partial(make, _latency), "throughput": partial(make, _throughput)}
    save(folder, console, makers)


def _latency(axes: Any, figures: Figures) -> None:
    for name, label in NAMES.items():
        known = [(n, figures.median(name, f"added_{n}_p50_ms")) for n in _IN_FLIGHT]
        points = [(n, value) for n, value in known if value is not None]
        if points:
            axes.plot([n for n, _ in points], [value for _, value in points], marker="o", label=label)
    axes.set(
        xscale="log", yscale="log", xlabel="reviews at a time", ylabel="added latency, p50 (ms)",
        title="What a review takes beyond the model's time",
    )  # fmt: skip
    axes.set_xticks(_IN_FLIGHT, [str(n) for n in _IN_FLIGHT])
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()


def _throughput(axes: Any, figures: Figures) -> None:
    values = {NAMES[name]: figures.median(name, "reviews_per_s") for name in NAMES}
    known = {label: value for label, value in values.items() if value is not None}
    bars = axes.barh(list(known), list(known.values()))
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.invert_yaxis()
    axes.set(xlabel="reviews a second, model without latency", title="Throughput on this machine")
