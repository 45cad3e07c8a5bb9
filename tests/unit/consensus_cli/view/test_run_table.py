"""The list of runs on a terminal: what fits at the widths that terminals have."""

import pytest
from rich.cells import cell_len

from consensus.v1 import decision_pb2, run_pb2
from consensus_cli.view.run_table import LEGEND, run_rows
from tests.unit.consensus_client import samples

WIDTHS = (60, 80, 120, 160)


def runs() -> list[run_pb2.Run]:
    """A decided run, one that revises it and a person overrode, and one that failed."""
    first, second, third = (samples.completed_run() for _ in range(3))
    second.type = run_pb2.RUN_TYPE_REVISION
    second.effective_override.label = decision_pb2.DECISION_LABEL_APPROVE
    third.ClearField("decision")
    third.state = run_pb2.RUN_STATE_FAILED
    return [first, second, third]


@pytest.mark.parametrize("width", WIDTHS)
def test_ids_results_scores_and_what_is_reviewed_fit(width: int) -> None:
    _, first, second, third, legend = (row.plain for row in run_rows(runs(), width))
    assert [line for line in (first, second, third) if cell_len(line) > width] == []
    assert all(line.startswith("0193a0aa-0000") for line in (first, second, third))
    assert "REVISE  " in first
    assert "0.6269" in first
    assert "APPROVE*" in second
    assert "revision" in second
    assert "revision" not in first
    assert "failed" in third
    assert all("Remind p" in line for line in (first, second, third))
    assert legend == LEGEND[: width - 1] + "…" if len(LEGEND) > width else LEGEND


def test_more_room_tells_more() -> None:
    def shown(width: int) -> tuple[bool, bool, bool]:
        line = run_rows(runs(), width)[1].plain
        return "2026-11-20 14:00" in line, "3 of 5" in line, samples.RUN in line

    assert list(dict.fromkeys(map(shown, range(50, 161)))) == [
        (False, False, False), (True, False, False), (True, True, False), (True, True, True),
    ]  # fmt: skip


def test_labels_and_failures_have_their_colours() -> None:
    _, first, second, third, _ = run_rows(runs(), 120)
    assert [any(span.style == style for span in row.spans) for row, style in (
        (first, "bold yellow"), (second, "bold green"), (third, "red"),
    )] == [True] * 3  # fmt: skip
