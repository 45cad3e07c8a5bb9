"""What a run of tests leaves out for want of a tool is named at its end."""

from typing import NoReturn

import pytest

_LEFT_OUT = "left out: "


def leave_out(what: str) -> NoReturn:
    """Skips the test; `what` says which part, and what is missing."""
    pytest.skip(f"{_LEFT_OUT}{what}")


def name_left_out(reporter: pytest.TerminalReporter) -> None:
    """Writes a line for each part that was left out, and why."""
    reasons = set()
    for report in reporter.stats.get("skipped", ()):
        if isinstance(report.longrepr, tuple) and _LEFT_OUT in report.longrepr[2]:
            reasons.add(report.longrepr[2].partition(_LEFT_OUT)[2])
    for reason in sorted(reasons):
        reporter.write_line(f"{_LEFT_OUT}{reason}")
