"""The tables and the plot of the pair beside its peers, on the terminal and as files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import plots
from tests.benchmarks.measuring import Figures
from tests.benchmarks.report import number
from tests.benchmarks.targets import PAIR, SDK, TIMES

LANGGRAPH, DBOS = "langgraph", "dbos"
PEERS = (LANGGRAPH, DBOS)
NAMES = {SDK: "SDK floor", PAIR: "pair, PostgreSQL", LANGGRAPH: "LangGraph", DBOS: "DBOS"}
PACKAGES = (
    "langgraph",
    "langgraph-checkpoint-postgres",
    "psycopg",
    "dbos",
    "sqlalchemy",
    "openai",
    "aiohttp",
)
WARM, SINGLE, CROWD, FULL, BURST, TWICE = (
    "warming up", "1 at a time", "100 at a time", "as many as it can", "many at once", "one key twice",
)  # fmt: skip
ROWS_OF = {
    SINGLE: {
        "added_1_p50_ms": "added latency, 1 at a time, p50, ms",
        "added_1_p99_ms": "1 at a time, p99, ms",
        "single_commits": "commits per review, 1 at a time",
    },
    CROWD: {
        "added_100_p50_ms": "added latency, 100 at a time, p50, ms",
        "added_100_p99_ms": "100 at a time, p99, ms",
        "crowd_100_commits": "commits per review, 100 at a time",
    },
    FULL: {
        "reviews_per_s": "reviews/s, 0 s model",
        "cpu_ms": "CPU per review, ms",
        "postgres_cpu_ms": "PostgreSQL's CPU per review, ms",
        "caller_cpu_ms": "the caller's CPU per review, ms",
        "saturated_commits": "commits per review, saturated",
        "saturated_wal_kib": "WAL per review, saturated, KiB",
    },
    BURST: {
        "burst_seconds": "many at once, all done, s",
        "burst_memory_kib": "memory per review in flight, KiB",
    },
    TWICE: {"twice_calls": "model calls, one key sent twice at once"},
}
"""The figures by the load that gives them."""
ROWS = {figure: label for rows in ROWS_OF.values() for figure, label in rows.items()}
_LOAD = {figure: load for load, rows in ROWS_OF.items() for figure in rows}
MORE_IS_BETTER = {"reviews_per_s"}
LEVEL = 0.05
"""A ratio that is no further from one is nobody's lead."""
_PLOTTED = (
    "added_1_p50_ms", "added_100_p50_ms", "reviews_per_s", "cpu_ms", "burst_memory_kib", "saturated_wal_kib",
)  # fmt: skip

Rows = list[list[str]]
Failed = Mapping[str, Mapping[str, int]]


def write(
    folder: Path,
    console: Console,
    figures: Figures,
    about: dict[str, Any],
    failed: Failed,
    ended: Mapping[str, str],
) -> None:
    """Prints both tables and writes peers.json, peers.md, peers.png and peers.svg.

    `failed`: reviews by contender and load; `ended`: the load that was a contender's last.
    """
    plan = about["plan"]
    console.print(
        f"{about['cpus']} CPUs, {about['cpu']}, {about['memory_gib']} GiB; Python {about['python']},"
        f" PostgreSQL {about['postgresql']}, fsync {about['fsync']}; load {about['load_before']:.1f};"
        f" model: {plan['single_latency']} s at 1, {plan['crowd_latency']} s at 100 at a time;"
        f" {plan['burst']} at once with {plan['burst_latency']} s;"
        f" medians of {plan['rounds']} rounds, ± half the range; {about['seconds']} s"
    )
    console.print(", ".join(f"{name} {version}" for name, version in about["peers"].items()))
    tables = {
        "The same job, taking turns": measured(figures, failed, ended),
        f"Pair against peers ({TIMES}: how many times better the pair is)": against(figures, failed),
    }
    for title, rows in tables.items():
        console.print(_table(title, rows))
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "facts": about, "figures": figures.values, "failed": figures.failed, "failed_by_load": failed,
        "ended": ended,
        "pair_is_better": {row: {name: _better(figures, row, name) for name in PEERS} for row in ROWS},
    }  # fmt: skip
    (folder / "peers.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(_markdown(rows) for rows in tables.values())
    (folder / "peers.md").write_text(text, encoding="utf-8")
    _draw(figures, folder, console)


def measured(figures: Figures, failed: Failed, ended: Mapping[str, str]) -> Rows:
    """Each figure of each contender; failures by the load that they happened in."""
    rows = [["figure", *NAMES.values()]]
    rows += [[label, *(_cell(figures, name, figure) for name in NAMES)] for figure, label in ROWS.items()]
    failures = [
        f"ended in {ended[name]}" if name in ended else _failures(failed.get(name, {})) for name in NAMES
    ]
    rows.append(["reviews that failed", *failures])
    return rows


def against(figures: Figures, failed: Failed) -> Rows:
    """For each figure how many times better the pair is than each peer, and who is ahead of all."""
    rows = [["figure", *(f"to {NAMES[name]}" for name in PEERS), "ahead"]]
    for figure, label in ROWS.items():
        missing = figures.median(PAIR, figure) is None and not failed.get(PAIR, {}).get(_LOAD[figure])
        if not missing and any(figures.median(name, figure) for name in PEERS):
            compared = [_compare(figures, failed, figure, name) for name in PEERS]
            ahead = [name for _, name in compared if name != PAIR]
            rows.append([label, *(ratio for ratio, _ in compared), ", ".join(ahead) or PAIR])
    return rows


def _compare(figures: Figures, failed: Failed, figure: str, peer: str) -> tuple[str, str]:
    """The ratio to a peer, and who is ahead; a load that one of them failed in gives no ratio."""
    load = _LOAD[figure]
    if failed.get(PAIR, {}).get(load):
        return "pair failed", NAMES[peer]
    if failed.get(peer, {}).get(load):
        return f"{NAMES[peer]} failed", PAIR
    ratio = _better(figures, figure, peer)
    if ratio is None:
        return "", f"not known, {NAMES[peer]}"
    if abs(ratio - 1) <= LEVEL:
        return f"{number(ratio)} {TIMES}", f"level with {NAMES[peer]}"
    return f"{number(ratio)} {TIMES}", PAIR if ratio > 1 else NAMES[peer]


def _better(figures: Figures, figure: str, peer: str) -> float | None:
    mine, theirs = figures.median(PAIR, figure), figures.median(peer, figure)
    if mine is None or theirs is None or mine <= 0 or theirs <= 0:
        return None
    return mine / theirs if figure in MORE_IS_BETTER else theirs / mine


def _cell(figures: Figures, name: str, figure: str) -> str:
    value, spread = figures.median(name, figure), figures.spread(name, figure)
    if value is None:
        return ""
    if figure == "twice_calls":
        values = figures.values[name][figure]
        return (
            f"{min(values):.0f}" if min(values) == max(values) else f"{min(values):.0f} to {max(values):.0f}"
        )
    return number(value) + (f" ±{spread * 100:.0f} %" if spread is not None else "")


def _failures(failed: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {load}" for load, count in failed.items()) or "0"


def _table(title: str, rows: Rows) -> Table:
    table = Table(title=title)
    for index, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if index else "left")
    for row in rows[1:]:
        table.add_row(*row)
    return table


def _markdown(rows: Rows) -> str:
    lines = [rows[0], ["---", *("---:" for _ in rows[0][1:])], *rows[1:]]
    return "".join("| " + " | ".join(row) + " |\n" for row in lines)


def _draw(figures: Figures, folder: Path, console: Console) -> None:
    def make(plt: Any) -> Any:
        figure, grid = plt.subplots(2, 3, figsize=(12, 5), layout="constrained")
        for axes, row in zip(grid.flat, _PLOTTED, strict=True):
            known = [(name, figures.median(name, row)) for name in NAMES]
            bars = [(name, value) for name, value in known if value is not None]
            colors = ["tab:blue" if name == PAIR else "tab:gray" for name, _ in bars]
            drawn = axes.barh([NAMES[name] for name, _ in bars], [value for _, value in bars], color=colors)
            axes.bar_label(drawn, labels=[number(value) for _, value in bars], padding=3)
            axes.invert_yaxis()
            axes.margins(x=0.2)
            axes.set_title(ROWS[row] + (" (more is better)" if row in MORE_IS_BETTER else ""), fontsize=10)
        return figure

    plots.save(folder, console, {"peers": make})
