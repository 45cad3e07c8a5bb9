"""The parts of a run fit the whole."""

import pytest

from consensus_contract import budgets
from consensus_rpc.server.options import MAX_MESSAGE_BYTES


def test_the_parts_leave_room_in_the_answer_and_the_answer_in_a_message() -> None:
    parts = budgets.INPUT_BYTES + budgets.PROPOSAL_BYTES + budgets.REVIEWS_BYTES + budgets.DECISION_BYTES

    assert parts <= budgets.RUN_ANSWER_BYTES - 128 * 1024
    assert budgets.RUN_ANSWER_BYTES < MAX_MESSAGE_BYTES


@pytest.mark.parametrize("panel_size", [1, 3, 5, 20])
def test_the_shares_of_all_reviews_fit_their_budget(panel_size: int) -> None:
    assert panel_size * budgets.review_bytes(panel_size) <= budgets.REVIEWS_BYTES


def test_a_panel_of_nobody_has_no_share() -> None:
    with pytest.raises(ValueError, match="at least one"):
        budgets.review_bytes(0)
