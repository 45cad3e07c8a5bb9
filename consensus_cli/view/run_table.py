"""A list of runs on a terminal, a line each, as wide as there is room for: pure."""

from collections.abc import Sequence
from functools import partial

from rich.cells import cell_len
from rich.text import Text

from consensus.v1 import run_pb2
from consensus_cli.view.outcome import COLOURS
from consensus_cli.view.run import state
from consensus_cli.view.run_ids import short_id
from consensus_client import effective_label
from consensus_report import text
from consensus_report.labels import label_word
from consensus_report.subject import subject_words

_LEAST_WORDS = 24  # of what is reviewed: less tells little
_MOST_WORDS = 100
_GAP = "  "
_STATE_STYLES = {
    run_pb2.RUN_STATE_FAILED: "red",
    run_pb2.RUN_STATE_RUNNING: "cyan",
    run_pb2.RUN_STATE_QUEUED: "cyan",
}
_MARK = "*"
LEGEND = f"{_MARK} not the panel's alone: a person's label, or with people counted in"

# What is told beside the decision, from most room to least.
_DETAILS = (("run", "created (UTC)", "panel"), ("created (UTC)", "panel"), ("created (UTC)",), ())


def run_rows(found: Sequence[run_pb2.Run], width: int) -> list[Text]:
    """A header and a line for each run, none wider than `width` cells, and what a mark means.

    Whole ids go first where there is little room, then the panel's turnout, then the time. The beginning of
    an id names its run as well.
    """
    columns, widths = next(
        (each for each in map(partial(_laid_out, found), _DETAILS) if _fits(each[1], width)),
        _laid_out(found, ()),
    )
    words = [
        Text("idea", style="dim"),
        *(Text(subject_words(each.specification, _MOST_WORDS)) for each in found),
    ]
    rows = []
    for *cells, last in zip(*columns, words, strict=True):
        row = Text()
        for cell, cells_wide in zip(cells, widths, strict=True):
            cell.truncate(cells_wide, pad=True)
            row.append_text(cell).append(_GAP)
        row.append_text(last)
        rows.append(row)
    if any(_is_marked(run) for run in found):
        rows.append(Text(LEGEND, style="dim"))
    for row in rows:
        row.truncate(width, overflow="ellipsis")
    return rows


def _laid_out(found: Sequence[run_pb2.Run], details: Sequence[str]) -> tuple[list[list[Text]], list[int]]:
    """The columns before the words, and the cells that each takes."""
    columns = _columns(found, details)
    return columns, [max(cell_len(cell.plain) for cell in cells) for cells in columns]


def _fits(widths: Sequence[int], width: int) -> bool:
    return sum(widths) + len(_GAP) * len(widths) + _LEAST_WORDS <= width


def _columns(found: Sequence[run_pb2.Run], details: Sequence[str]) -> list[list[Text]]:
    """The columns before the words, each with its header; those that say nothing of any run are left out."""
    whole = "run" in details
    columns = {
        "run": [Text(text.visible(run.run_id if whole else short_id(run.run_id))) for run in found],
        "created (UTC)": [Text(text.instant(run.create_time)[:16], style="dim") for run in found],
        "decision": [_result(run) for run in found],
        "score": [Text(_score(run)) for run in found],
        "": [
            Text("revision" if run.type == run_pb2.RUN_TYPE_REVISION else "", style="cyan") for run in found
        ],
        "panel": [
            Text(f"{run.turnout.returned_count} of {run.turnout.expected_count}", style="dim")
            for run in found
        ],
    }
    shown = [
        (name, cells)
        for name, cells in columns.items()
        if name in ("run", "decision", "score", "", *details) and any(cell.plain for cell in cells)
    ]
    return [[Text(name, style="dim"), *cells] for name, cells in shown]


def _result(run: run_pb2.Run) -> Text:
    """The label that holds, or the state of a run that has none."""
    if run.HasField("delete_time"):
        return Text("deleted", style="dim")
    if not run.HasField("decision"):
        return Text(state(run), style=_STATE_STYLES.get(run.state, ""))
    label = effective_label(run)
    mark = _MARK if _is_marked(run) else ""
    return Text(f"{label_word(label)}{mark}", style=f"bold {COLOURS.get(label, '')}".strip())


def _is_marked(run: run_pb2.Run) -> bool:
    return run.HasField("effective_override") or run.HasField("decision_with_humans")


def _score(run: run_pb2.Run) -> str:
    return text.score(run.decision.overall_weighted_confidence) if run.HasField("decision") else ""
