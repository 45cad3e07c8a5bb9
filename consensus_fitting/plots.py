"""Plots as SVG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from consensus_fitting.labelled_votes import LabelledVotes

mpl.use("svg")
mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"})


def plot_reliability(
    curves: Mapping[str, Sequence[tuple[float, float, int]]], title: str, path: Path
) -> None:
    """How often approve was right against how likely it was said to be; a point for each bin."""
    figure, axes = plt.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
    for name, points in curves.items():
        axes.plot([each[0] for each in points], [each[1] for each in points], marker="o", label=name)
    axes.set(xlabel="said probability", ylabel="share that was right", title=title, xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    _save(figure, path)


def plot_learning(curves: Mapping[str, Sequence[tuple[int, float]]], title: str, path: Path) -> None:
    """What decisions cost against how many labels a rule was fitted on."""
    figure, axes = plt.subplots(figsize=(6, 4))
    for name, points in curves.items():
        axes.plot([each[0] for each in points], [each[1] for each in points], marker="o", label=name)
    axes.set(xlabel="labels", ylabel="mean cost of a decision", title=title, xscale="log")
    axes.legend(frameon=False, fontsize="small")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def label_counts(votes: LabelledVotes) -> list[int]:
    """The numbers of labels that are worth trying on a table."""
    return [count for count in (30, 50, 100, 200, 400, 800, 1600) if count <= len(votes) * 0.6]
