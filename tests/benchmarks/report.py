"""The table, and the same as JSON."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import Figures, Plan
from tests.benchmarks.targets import HTTP_INSERTS, PAIR, PAIR_SQLITE, SDK, SDK_INSERTS, TARGETS, Target
from tests.support import postgres

NAMES = {
    SDK: "SDK floor",
    SDK_INSERTS: "SDK + inserts",
    HTTP_INSERTS: "HTTP + inserts",
    PAIR: "pair, PostgreSQL",
    PAIR_SQLITE: "pair, SQLite",
}
ROWS = {
    "added_1_p50_ms": "added latency, 1 at a time, p50, ms",
    "added_10_p50_ms": "10 at a time, p50, ms",
    "added_30_p50_ms": "30 at a time, p50, ms",
    "added_100_p50_ms": "100 at a time, p50, ms",
    "added_100_p99_ms": "100 at a time, p99, ms",
    "reviews_per_s": "reviews/s, 0 s model",
    "cpu_ms": "CPU per review, ms",
    "postgres_cpu_ms": "PostgreSQL's CPU per review, ms",
    "caller_cpu_ms": "the caller's CPU per review, ms",
    "burst_seconds": "many at once, all done, s",
    "burst_memory_kib": "memory per review in flight, KiB",
    "burst_kept_mib": "memory kept a second later, MiB",
    "few_seconds": "a smaller burst, all done, s",
    "few_memory_kib": "its memory per review, KiB",
    "grown_mib": "memory at rest, last round beyond the first, MiB",
    "crush_seconds": "2,000 at once, all done, s",
    "crush_memory_kib": "its memory per review, KiB",
    "crush_kept_mib": "its memory kept a second later, MiB",
    "single_commits": "commits per review, 1 at a time",
    "crowd_100_commits": "commits per review, 100 at a time",
    "saturated_commits": "commits per review, saturated",
    "single_wal_kib": "WAL per review, 1 at a time, KiB",
    "saturated_wal_kib": "WAL per review, saturated, KiB",
    "acks_per_s": "records acked/s, 100 streams",
    "ack_p99_ms": "the same, p99, ms",
    "append_events_p50_ms": "AppendEvents of 10 events, p50, ms",
    "check_and_set_p50_ms": "CheckAndSet, p50, ms",
    "list_events_p50_ms": "ListEvents, a page of 50, p50, ms",
    "get_draft_p50_ms": "GetDraft of 21 segments, p50, ms",
    "replay_p50_ms": "replay of a finished run, p50, ms",
    "replay_p99_ms": "replay of a finished run, p99, ms",
}
_LIBRARIES = ("grpcio", "openai", "aiohttp", "sqlalchemy", "psycopg2-binary", "protobuf", "uvloop")


def facts(plan: Plan, seconds: float) -> dict[str, Any]:
    """Where and how it was measured."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds),
        "cpus": os.cpu_count(),
        "cpu": _cpu_name(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": os.getloadavg()[2],
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "postgresql": _postgres_version(),
        "fsync": postgres.SETTINGS["fsync"],
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "plan": asdict(plan),
    }


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _postgres_version() -> str:
    command = [str(postgres.binaries() / "postgres"), "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def show(console: Console, figures: Figures, about: dict[str, Any]) -> None:
    """Prints both tables."""
    plan = about["plan"]
    console.print(
        f"{about['cpus']} CPUs, {about['cpu']}, {about['memory_gib']} GiB; Python {about['python']},"
        f" PostgreSQL {about['postgresql']}, fsync {about['fsync']}; load {about['load_before']:.1f};"
        f" model: {plan['single_latency']} s at 1, {plan['crowd_latency']} s at 100 at a time;"
        f" medians of {plan['rounds']} rounds, ± half the range; {about['seconds']} s"
    )
    console.print(", ".join(f"{name} {version}" for name, version in about["libraries"].items()))
    names = [name for name in NAMES if name in figures.values]
    table = Table(title="The job, all contenders taking turns")
    table.add_column("figure")
    for name in names:
        table.add_column(NAMES[name], justify="right")
    for figure, label in ROWS.items():
        cells = [_cell(figures, name, figure) for name in names]
        if any(cells):
            table.add_row(label, *cells)
    if any(figures.failed.values()):
        table.add_row("reviews that failed", *(str(figures.failed[name]) for name in names))
    console.print(table)
    console.print(_target_table(figures))


def _cell(figures: Figures, name: str, figure: str) -> str:
    value, spread = figures.median(name, figure), figures.spread(name, figure)
    if value is None:
        return ""
    return number(value) + (f" ±{spread * 100:.0f} %" if spread is not None else "")


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _target_table(figures: Figures) -> Table:
    table = Table(title="Targets")
    for column in ("target", "measured", "must", "aim"):
        table.add_column(column, justify="left" if column == "target" else "right")
    for target in TARGETS:
        value = target.value(figures)
        if value is None:
            table.add_row(target.name, "not measured", "", "")
        else:
            shown = f"{number(value)} {target.unit}".strip()
            bounds = (_verdict(target, value, target.must), _verdict(target, value, target.aim))
            table.add_row(target.name, shown, *bounds)
    return table


def _verdict(target: Target, value: float, bound: float) -> str:
    if bound >= 1e9:
        return ""
    sign = "≥" if target.above else "≤"
    return f"{sign} {number(bound)} {'met' if target.meets(value, bound) else 'not met'}"


def markdown(figures: Figures) -> str:
    """Both tables for a page of documentation."""
    names = [name for name in NAMES if name in figures.values]
    rows = [["figure", *(NAMES[name] for name in names)], ["---", *("---:" for _ in names)]]
    for figure, label in ROWS.items():
        cells = [_cell(figures, name, figure) for name in names]
        if any(cells):
            rows.append([label, *cells])
    targets = [["target", "measured", "must", "aim"], ["---", "---:", "---:", "---:"]]
    for target in TARGETS:
        value = target.value(figures)
        if value is not None:
            bounds = (_verdict(target, value, target.must), _verdict(target, value, target.aim))
            targets.append([target.name, f"{number(value)} {target.unit}".strip(), *bounds])
    lines = ["| " + " | ".join(row) + " |" for row in (*rows, [], *targets)]
    return "\n".join(line if line != "|  |" else "" for line in lines) + "\n"


def document(figures: Figures, about: dict[str, Any]) -> dict[str, Any]:
    """All that was measured, as JSON data."""
    measured = [(target, target.value(figures)) for target in TARGETS]
    return {
        "facts": about,
        "figures": figures.values,
        "failed": figures.failed,
        "targets": [
            {
                "name": target.name,
                "value": value,
                "unit": target.unit,
                "must": target.must if target.must < 1e9 else None,
                "aim": target.aim,
                "meets_must": None if value is None else target.meets(value, target.must),
                "meets_aim": None if value is None else target.meets(value, target.aim),
            }
            for target, value in measured
        ],
    }
