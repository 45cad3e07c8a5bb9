"""The parts of a run fit the whole."""

import pytest

from consensus_contract import sizes
from consensus_rpc.server.options import MAX_MESSAGE_BYTES


def test_the_parts_leave_room_in_the_answer_and_the_answer_in_a_message() -> None:
    parts = sizes.INPUT_BYTES + sizes.PROPOSAL_BYTES + sizes.REVIEWS_BYTES + sizes.DECISION_BYTES

    assert parts <= sizes.RUN_ANSWER_BYTES - 128 * 1024
    assert sizes.RUN_ANSWER_BYTES < MAX_MESSAGE_BYTES


@pytest.mark.parametrize("panel_size", [1, 3, 5, 20])
def test_the_shares_of_all_reviews_fit_their_size(panel_size: int) -> None:
    assert panel_size * sizes.review_bytes(panel_size) <= sizes.REVIEWS_BYTES


def test_a_panel_of_nobody_has_no_share() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sizes.review_bytes(0)
