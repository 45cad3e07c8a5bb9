"""What differs between two runs, in words: exact."""

import pytest

from consensus_report.changes import movement
from tests.unit.consensus_report.comparisons import score


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        (0, 0, "0.00 -> 0.00 (0.00)"),
        (6500, 9500, "0.65 -> 0.95 (+0.30)"),
        (9999, 10_000, "0.9999 -> 1.00 (+0.0001)"),
        (8375, 7625, "0.8375 -> 0.7625 (-0.075)"),
        (10_000, 0, "1.00 -> 0.00 (-1.00)"),
    ],
)
def test_scores_and_their_difference_are_written_exactly(before: int, after: int, written: str) -> None:
    assert movement(score(before, after)) == written


def test_a_score_that_is_not_there_has_no_difference() -> None:
    assert movement(score(None, 8000)) == "none -> 0.80"
