"""A run on a terminal: a line per step that changes in place."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from consensus.v1 import decision_pb2
from consensus_cli.view import text
from consensus_cli.view.progress import Line, Phase, RunView
from consensus_cli.view.suspicion import suspicion_words
from consensus_cli.view.turnout import panel_words

_BAR_CELLS = 10
_MARKS = {
    Phase.WAITING: ("·", "dim"),
    Phase.DONE: ("✓", "green"),
    Phase.GAVE_UP: ("✗", "red"),
    Phase.SKIPPED: ("-", "dim"),
}
_ASCII = {"·": ".", "✓": "+", "✗": "x"}


class LiveTable:
    """Draws a `RunView` as it stands whenever the terminal is refreshed.

    `now` is the clock that started the run's steps; a skew to the server's shows as a wrong running time
    for as long as a step runs, never as a negative one.
    """

    def __init__(self, progress: RunView, now: Callable[[], datetime]) -> None:
        """Draws `progress`, which others change."""
        self._progress = progress
        self._now = now
        self._spinner: dict[bool, Spinner] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The heading and one row per step."""
        fancy = (console.encoding or "").lower().startswith("utf")
        if self._progress.run_id:
            yield Text(
                text.visible(f"run {self._progress.run_id}"), style="dim", no_wrap=True, overflow="ellipsis"
            )
        if self._progress.title:
            yield Text(text.visible(self._progress.title), style="bold", no_wrap=True, overflow="ellipsis")
        turnout = self._progress.panel.turnout()
        if turnout.expected_count:
            decision = self._progress.decision or decision_pb2.Decision()
            yield Text(
                text.visible(panel_words(turnout, decision)), style="dim", no_wrap=True, overflow="ellipsis"
            )
        if suspected := suspicion_words(self._progress.suspicions):
            yield Text(text.visible(suspected), style="bold red", no_wrap=True, overflow="ellipsis")
        table = Table.grid(padding=(0, 1))
        for width in (1, 17, 6, _BAR_CELLS, 10):
            table.add_column(width=width, no_wrap=True)
        table.add_column(justify="right", width=7, no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for line in list(self._progress.lines.values()):
            table.add_row(*self._row(line, fancy))
        yield table

    def _row(self, line: Line, fancy: bool) -> list[Text | Spinner]:
        attempts = text.count(line.attempt_count, "attempt") if line.attempt_count else ""
        elapsed = self._seconds(line)
        return [
            self._mark(line, fancy),
            Text(text.visible(line.label)),
            _result(line),
            _bar(line.score, fancy),
            Text(attempts, style="dim" if line.attempt_count == 1 else "yellow"),
            Text("" if elapsed is None else f"{elapsed:.1f} s", style="dim"),
            Text(text.visible(line.note), style="red" if line.phase is Phase.GAVE_UP else "dim"),
        ]

    def _mark(self, line: Line, fancy: bool) -> Text | Spinner:
        if line.phase is Phase.WORKING:
            name: Literal["dots", "line"] = "dots" if fancy else "line"
            return self._spinner.setdefault(fancy, Spinner(name, style="cyan"))
        mark, style = _MARKS[line.phase]
        return Text(mark if fancy else _ASCII.get(mark, mark), style=style)

    def _seconds(self, line: Line) -> float | None:
        if line.seconds is not None or line.started is None or line.phase is not Phase.WORKING:
            return line.seconds
        return max(0.0, (self._now() - line.started).total_seconds())


def _result(line: Line) -> Text:
    if line.score is not None:
        return Text(text.score(line.score), style=_colour(line.score))
    words = {Phase.WORKING: "…", Phase.DONE: "done", Phase.GAVE_UP: "failed", Phase.SKIPPED: "skip"}
    return Text(words.get(line.phase, ""), style="red" if line.phase is Phase.GAVE_UP else "dim")


def _bar(value: float | None, fancy: bool) -> Text:
    if value is None:
        return Text()
    full = int(value * _BAR_CELLS)  # only a whole score fills the bar
    filled, empty = ("█", "░") if fancy else ("#", ".")
    return Text(filled * full, style=_colour(value)).append(empty * (_BAR_CELLS - full), style="dim")


def _colour(value: float) -> str:
    return "green" if value >= 0.8 else "yellow" if value >= 0.6 else "red"
