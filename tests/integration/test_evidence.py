"""A veto rests on what is there: over real servers, for proposals and documents, to the command's output."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consensus.v1 import decision_pb2, document_pb2, panel_pb2, proposal_pb2, run_pb2
from consensus_client import ReviewClient, document
from offline_model.script import Rule
from tests.integration.test_consensus_command import consensus
from tests.support.pair import Client, Pair

APPROVE, REVISE = decision_pb2.DECISION_LABEL_APPROVE, decision_pb2.DECISION_LABEL_REVISE
GUARDIAN = "security_guardian"
THERE, NOT_THERE = "“Keys” stand in\nthe log", "Passwords stand in the log"


@pytest.fixture
async def reviews(pair: Pair) -> AsyncIterator[ReviewClient]:
    async with ReviewClient(pair.review_address) as client:
        yield client


def answer(*issues: dict[str, Any], concerns: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "confidence_score": 0.9,
        "strengths": [],
        "concerns": list(concerns),
        "recommendations": [],
        "blocking_issues": list(issues),
        "estimated_effort": "A day.",
        "dependency_risks": [],
    }


def critical(section: str, *quotes: str) -> dict[str, Any]:
    listed = [{"section": section, "text": each} for each in quotes]
    return {"text": "Secrets leak.", "security_critical": True, "section": section, "quotes": listed}


def subject(kind: str, mark: str) -> proposal_pb2.Proposal | document_pb2.Document:
    """A text that says where its keys stand, and nothing of passwords."""
    says = 'We cache reads. The "Keys" stand in the log.'
    if kind == "document":
        return document(f"# Cache {mark}\n\n{says}\n", "cache.md")
    return proposal_pb2.Proposal(title=mark, problem_statement="Reads are slow.", proposed_solution=says)


async def reviewed(reviews: ReviewClient, of: proposal_pb2.Proposal | document_pb2.Document) -> run_pb2.Run:
    events = [event async for event in reviews.review(of)]
    return await reviews.get_run(events[0].run_id)


def review_of(run: run_pb2.Run, persona_id: str) -> panel_pb2.PersonaReview:
    return next(each for each in run.persona_reviews if each.persona_id == persona_id)


@pytest.mark.parametrize(("kind", "place"), [("proposal", "proposed_solution"), ("document", "1")])
@pytest.mark.parametrize(
    ("quotes", "label"),
    [((NOT_THERE,), APPROVE), ((THERE,), REVISE), ((NOT_THERE, THERE), REVISE), ((), REVISE)],
    ids=["quotes what is not there", "quotes what is", "quotes both", "names an omission"],
)
async def test_only_a_veto_that_quotes_nothing_but_what_is_not_there_does_not_count(
    client: Client,
    reviews: ReviewClient,
    mark: str,
    kind: str,
    place: str,
    quotes: tuple[str, ...],
    label: decision_pb2.DecisionLabel.ValueType,
) -> None:
    veto = answer(critical(place, *quotes))
    await client.model.script(
        Rule(contains=mark, persona=GUARDIAN, override=veto), Rule(contains=mark, override=answer())
    )

    run = await reviewed(reviews, subject(kind, mark))

    review, is_unsupported = review_of(run, GUARDIAN), label == APPROVE
    (issue,) = review.blocking_issues
    assert (issue.text, issue.section, issue.security_critical) == ("Secrets leak.", place, True)
    assert issue.unsupported is is_unsupported
    assert [(each.section, each.text) for each in issue.quotations] == [
        (place, "“Keys” stand in the log") for each in quotes if each == THERE
    ]
    assert review.provenance.dropped_quotation_count == quotes.count(NOT_THERE)
    assert review.blocking_issues_present is review.security_critical_issues_present is not is_unsupported
    assert run.decision.label == label
    assert len(run.decision.minority_reports) == (0 if is_unsupported else 1)


async def test_blocking_weight_is_of_those_whose_quotes_are_there(
    client: Client, reviews: ReviewClient, mark: str
) -> None:
    blocks = {"text": "No way back.", "security_critical": None, "section": "1"}
    missed = answer(blocks | {"quotes": [{"section": "1", "text": NOT_THERE}]})
    found = answer(blocks | {"quotes": [{"section": "1", "text": THERE}]})
    await client.model.script(
        Rule(contains=mark, persona="architect", override=missed),
        Rule(contains=mark, persona="critic", override=found),
        Rule(contains=mark, override=answer()),
    )

    run = await reviewed(reviews, subject("document", mark))

    assert run.decision.label == APPROVE
    assert [each.persona_id for each in run.decision.minority_reports] == ["critic"]


async def test_the_command_shows_quotes_in_place_and_marks_what_quotes_what_is_not_there(
    client: Client, pair: Pair, reviews: ReviewClient, mark: str
) -> None:
    given = answer(critical("proposed_solution", NOT_THERE), critical("proposed_solution", THERE))
    await client.model.script(
        Rule(contains=mark, persona=GUARDIAN, override=given), Rule(contains=mark, override=answer())
    )
    run = await reviewed(reviews, subject("proposal", mark))

    shown = consensus(pair, "show", run.run_id).stdout

    assert "✗ Secrets leak. (security-critical) (quotes what is not there)" in shown
    assert "Solution: ““Keys” stand in the log”" in shown
