"""What is too long is cut where no rule reads it, and named; blocking issues never are."""

import json

import pytest

from consensus.v1 import attempt_pb2, panel_pb2
from consensus_contract.sizes import PROPOSAL_BYTES, REVIEWS_BYTES
from review_service.screening.canary import Canary
from review_service.steps.expander import _read_proposal
from review_service.steps.outputs import OutputError, PersonaReviewOutput, ProposalOutput, fit, read_output
from tests.support.outputs import PROPOSAL, REVIEW

LISTS = ("strengths", "concerns", "recommendations", "dependency_risks")
LONG = "語" * 4_000  # 12,000 bytes


def test_lists_and_texts_beyond_their_bounds_are_cut_and_named() -> None:
    late = {"text": "z" * 4_001, "is_blocking": True}
    odd = {
        "strengths": ["x" * 4_001, "short"],
        "recommendations": ["y"] * 51,
        "concerns": [late] * 60,
        "estimated_effort": "w" * 5_000,
    }

    reading = read_output(PersonaReviewOutput, json.dumps(REVIEW | odd))

    output = reading.output
    assert (len(output.strengths[0]), output.strengths[1]) == (4_000, "short")
    assert output.strengths[0].endswith("x…")
    assert (len(output.recommendations), len(output.concerns)) == (50, 50)
    assert all(len(each.text) == 4_000 and each.is_blocking for each in output.concerns)
    assert len(output.estimated_effort) == 4_000
    assert reading.truncated_fields == ("strengths", "concerns", "recommendations", "estimated_effort")
    assert reading.mended == ()


def test_blanks_around_a_text_do_not_make_it_too_long() -> None:
    text = json.dumps(REVIEW | {"strengths": [" " * 5_000 + "clear"]})

    assert read_output(PersonaReviewOutput, text).truncated_fields == ()


@pytest.mark.parametrize("field", ["problem_statement", "proposed_solution"])
def test_what_a_proposal_says_is_not_cut(field: str) -> None:
    with pytest.raises(OutputError, match=field):
        read_output(ProposalOutput, json.dumps(PROPOSAL | {field: "x" * 4_001}))


def review(**lists: list[str]) -> panel_pb2.PersonaReview:
    concerns = [panel_pb2.Concern(text=each) for each in lists.pop("concerns", [])]
    blocking = [panel_pb2.BlockingIssue(text=each) for each in lists.pop("blocking_issues", [])]
    return panel_pb2.PersonaReview(concerns=concerns, blocking_issues=blocking, **lists)  # type: ignore[arg-type]  # lists of texts


def test_the_largest_list_gives_way_first_from_its_end() -> None:
    message = review(strengths=["s1", "s2"], concerns=[LONG] * 20, recommendations=["r"] * 50)

    cut = fit(message, LISTS, 100_000)

    assert cut == ("concerns",)
    assert message.ByteSize() <= 100_000
    assert message.ByteSize() > 100_000 - 13_000  # no more than that
    assert (list(message.strengths), len(message.recommendations)) == (["s1", "s2"], 50)


def test_a_review_of_all_that_its_bounds_allow_fits_its_share() -> None:
    message = review(**dict.fromkeys(LISTS, [LONG] * 50), blocking_issues=["x" * 4_000] * 50)

    assert fit(message, LISTS, REVIEWS_BYTES // 5) == LISTS
    assert message.ByteSize() <= REVIEWS_BYTES // 5
    assert len(message.blocking_issues) == 50


def test_what_fits_is_left_as_it_is() -> None:
    message = review(strengths=[LONG] * 5)

    assert fit(message, LISTS, message.ByteSize()) == ()


def test_blocking_issues_beyond_the_share_are_invalid_output_and_named() -> None:
    message = review(strengths=["s"], blocking_issues=[LONG] * 50)

    with pytest.raises(OutputError) as caught:
        fit(message, LISTS, REVIEWS_BYTES // 5)

    assert [violation.field for violation in caught.value.violations] == ["blocking_issues"]
    assert "blocking_issues" in str(caught.value)
    assert "語" not in str(caught.value)


def test_a_proposal_of_all_that_its_bounds_allow_fits_and_says_what_was_cut() -> None:
    lists = {"assumptions": ["𠀀" * 4_000] * 50, "scope_non_goals": ["𠀀" * 4_000] * 50}
    attempt = attempt_pb2.Attempt()

    proposal = _read_proposal(Canary(), json.dumps(PROPOSAL | lists), attempt).proposal

    assert proposal.ByteSize() <= PROPOSAL_BYTES
    assert list(attempt.truncated_fields) == ["assumptions", "scope_non_goals"]
