"""Two runs compared, as people are shown it: exact, with what moved the decision, and harmless."""

import pytest

from consensus_cli.view.diff import diff_blocks, line_style
from tests.unit.consensus_report.comparisons import comparison


def test_the_blocks_say_what_moved_the_decision() -> None:
    lines = [block.text for block in diff_blocks("r1", "r2", comparison())]
    assert lines[:7] == [
        "a  r1",
        "b  r2  (b revises a)",
        "",
        "REVISE -> APPROVE  confidence 0.7625 -> 0.8375 (+0.075)",
        "- no longer: the guardian's veto",
        "- new: half of the weight blocks",
        "- Architect: 0.65 -> 0.95 (+0.30), +0.075 of the confidence",
    ]
    assert "Architect    0.65   0.95  +0.30  +0.075  no longer blocking, still security-critical" in lines
    assert "Critic       0.00   0.00   0.00    0.00  carried over, stale: Summary, Solution" in lines
    assert "unchanged: Assumptions" in lines


def test_no_line_of_a_diff_is_obeyed_by_a_terminal() -> None:
    for block in diff_blocks("r1", "r2", comparison()):
        assert all(char.isprintable() for char in block.text)


@pytest.mark.parametrize(
    ("line", "style"),
    [("+x", "green"), ("-x", "red"), ("@@ -1 +1 @@", "cyan"), ("+++ b/x", "bold"), (" x", ""), ("", "")],
)
def test_lines_are_coloured_by_what_they_are(line: str, style: str) -> None:
    assert line_style(line) == style
