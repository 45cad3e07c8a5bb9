"""A run on a terminal: a line per step that changes in place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.spinner import Spinner
from rich.text import Text

from consensus.v1 import decision_pb2
from consensus_cli.view.progress import Line, Objection, Phase, RunView
from consensus_report import text
from consensus_report.suspicion import suspicion_words
from consensus_report.turnout import panel_words

_BAR_CELLS = 10
_RESULT_CELLS = 6  # 0.1234, or failed
_LABEL_CELLS = 24
_NOTE_CELLS = 24  # less than that says little
_MARKS = {
    Phase.WAITING: ("·", "dim"),
    Phase.DONE: ("✓", "green"),
    Phase.GAVE_UP: ("✗", "red"),
    Phase.SKIPPED: ("-", "dim"),
}
_OBJECTIONS = {Objection.BLOCKS: ("!", "yellow"), Objection.VETOES: ("!", "bold red")}
_ASCII = {"·": ".", "✓": "+", "✗": "x"}


@dataclass(frozen=True, slots=True)
class _Widths:
    """Cells of each column; 0 where it is left out. The mark has one, the note what is left."""

    label: int
    attempts: int
    seconds: int
    bar: int


class LiveTable:
    """Draws a `RunView` as it stands whenever the terminal is refreshed.

    Where it is narrow, the bars go first, then attempts, then seconds; mark and score are always whole.
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
        yield from self._heading()
        lines = list(self._progress.lines.values())
        widths = _fitting(lines, [self._took(line) for line in lines], options.max_width)
        for line in lines:
            row = self._row(line, widths, console.get_time(), fancy)
            row.truncate(options.max_width, overflow="ellipsis")
            yield row

    def _heading(self) -> RenderResult:
        progress = self._progress
        turnout = progress.panel.turnout()
        is_panel_told = turnout.expected_count and progress.decision is None  # below, once there is one
        for words, style in (
            (f"run {progress.run_id}" if progress.run_id else "", "dim"),
            (self._so_far(), "dim"),
            (progress.title, "bold"),
            (panel_words(turnout, decision_pb2.Decision()) if is_panel_told else "", "dim"),
            (suspicion_words(progress.suspicions), "bold red"),
        ):
            if words:
                yield Text(text.visible(words), style=style, no_wrap=True, overflow="ellipsis")

    def _so_far(self) -> str:
        """Time, and what the reviews took: expanding is counted at the end."""
        seconds = self._progress.elapsed_seconds(self._now())
        read, written = self._progress.token_counts()
        tokens = f", {read:,} tokens in and {written:,} out for reviews" if read or written else ""
        return "" if seconds is None else f"{text.duration(seconds)}{tokens}"

    def _row(self, line: Line, widths: _Widths, time: float, fancy: bool) -> Text:
        row = self._mark(line, time, fancy)
        cells = (
            (widths.label, Text(text.visible(line.label))),
            (_RESULT_CELLS, _result(line)),
            (widths.bar, _bar(line.score, fancy)),
            (widths.attempts, Text(line.attempt_words(), style="yellow")),
            (widths.seconds, Text(self._took(line).rjust(widths.seconds), style="dim")),
        )
        for width, cell in cells:
            if width:
                cell.truncate(width, overflow="ellipsis", pad=True)
                row.append(" ").append_text(cell)
        is_bad = line.phase is Phase.GAVE_UP or line.objection is Objection.VETOES
        note = Text(text.visible(line.note_at(self._now())), style="red" if is_bad else "dim")
        return row.append(" ").append_text(note)

    def _mark(self, line: Line, time: float, fancy: bool) -> Text:
        if line.phase is Phase.WORKING:
            name = "dots" if fancy else "line"
            frame = self._spinner.setdefault(fancy, Spinner(name, style="cyan")).render(time)
            return Text().append_text(frame) if isinstance(frame, Text) else Text(" ")
        mark, style = _MARKS[line.phase]
        if line.phase is Phase.DONE:
            mark, style = _OBJECTIONS.get(line.objection, (mark, style))
        return Text().append(mark if fancy else _ASCII.get(mark, mark), style=style)

    def _took(self, line: Line) -> str:
        seconds = line.seconds
        if seconds is None and line.started is not None and line.phase is Phase.WORKING:
            seconds = max(0.0, (self._now() - line.started).total_seconds())
        return "" if seconds is None else text.duration(seconds)


def _fitting(lines: Sequence[Line], took: Sequence[str], width: int) -> _Widths:
    """What fits beside a mark, a label, a score and a note."""
    label = max((cell_len(text.visible(line.label)) for line in lines), default=0)
    label = max(1, min(label, _LABEL_CELLS, width - _RESULT_CELLS - 4))
    left = width - (1 + 1 + label + 1 + _RESULT_CELLS)
    note = min(_NOTE_CELLS, max((cell_len(text.visible(line.note)) for line in lines), default=0))
    left -= note + 1 if note else 0
    wanted = (
        max(map(len, took), default=0),
        max((len(line.attempt_words()) for line in lines), default=0),
        _BAR_CELLS if any(line.score is not None for line in lines) else 0,
    )
    widths = [0, 0, 0]
    for place, cells in enumerate(wanted):
        if cells >= left:
            break
        widths[place] = cells
        left -= cells + 1 if cells else 0
    seconds, attempts, bar = widths
    return _Widths(label, attempts, seconds, bar)


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
