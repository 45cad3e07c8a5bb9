"""Runs as CSV, for a spreadsheet: pure."""

import csv
import io
from collections.abc import Iterable

from consensus.v1 import run_pb2
from consensus_cli.view.run import state
from consensus_client import effective_label
from consensus_report import text
from consensus_report.labels import label_word
from consensus_report.subject import subject_words

_HEADER = (
    "run", "created", "finished", "state", "type", "revises", "decision", "confidence", "answered",
    "expected", "model", "caller", "user", "reviewed",
)  # fmt: skip
_WORDS = 1000  # of what was reviewed
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def run_csv(found: Iterable[run_pb2.Run]) -> list[str]:
    """A header and a line for each run. Text that a spreadsheet would compute stands behind an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows([_harmless(cell) for cell in _cells(run)] for run in found)
    return out.getvalue().splitlines()


def _cells(run: run_pb2.Run) -> tuple[str, ...]:
    specification = run.specification
    decided = run.HasField("decision")
    return (
        run.run_id,
        run.create_time.ToJsonString(),
        run.finish_time.ToJsonString() if run.HasField("finish_time") else "",
        state(run),
        text.word(run_pb2.RunType, run.type, "RUN_TYPE_"),
        run.parent_run_id,
        label_word(effective_label(run)).lower() if decided else "",
        text.score(run.decision.overall_weighted_confidence) if decided else "",
        str(run.turnout.returned_count),
        str(run.turnout.expected_count),
        text.clean(specification.review_model),
        text.clean(run.caller),
        text.clean(specification.user),
        subject_words(specification, _WORDS),
    )


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell
