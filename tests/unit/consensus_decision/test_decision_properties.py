"""What holds of every decision, whatever the reviews."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import panel_pb2
from consensus_decision.decision import decide
from tests.support.engine import PANEL, review, specification

SCORES = st.integers(0, 10_000).map(lambda value: value / 10_000)
ISSUES = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), st.sampled_from([True, False, None])
    ),
    max_size=2,
)


@st.composite
def panels(draw: st.DrawFn) -> list[panel_pb2.PersonaReview]:
    """At least one review, at most one of each persona, in any order."""
    ids = draw(st.lists(st.sampled_from(PANEL.ids), min_size=1, unique=True))
    return [review(each, draw(SCORES), blocking=draw(ISSUES)) for each in ids]


@given(panel=panels(), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_reviews_changes_no_byte(panel: list[panel_pb2.PersonaReview], shuffle: Random) -> None:
    shuffled = list(panel)
    shuffle.shuffle(shuffled)

    first, second = (decide(specification(), each) for each in (panel, shuffled))

    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


@given(panel=panels())
def test_a_veto_never_raises_a_decision(panel: list[panel_pb2.PersonaReview]) -> None:
    before = decide(specification(), panel)
    for each in panel:
        if each.persona_id == "security_guardian":
            each.blocking_issues.add(text="Keys in the log", security_critical=True)
    after = decide(specification(), panel)

    assert after.label >= before.label  # approve 1, revise 2, reject 3
    assert after.overall_weighted_confidence == before.overall_weighted_confidence


@given(panel=panels(), data=st.data())
def test_a_higher_score_never_lowers_a_decision(
    panel: list[panel_pb2.PersonaReview], data: st.DataObject
) -> None:
    before = decide(specification(), panel)
    raised = data.draw(st.sampled_from(panel))
    raised.confidence_score = max(raised.confidence_score, data.draw(SCORES))
    after = decide(specification(), panel)

    assert after.overall_weighted_confidence >= before.overall_weighted_confidence
    assert after.label <= before.label


@given(panel=panels(), data=st.data())
def test_another_blocking_issue_never_raises_a_decision(
    panel: list[panel_pb2.PersonaReview], data: st.DataObject
) -> None:
    before = decide(specification(), panel)
    data.draw(st.sampled_from(panel)).blocking_issues.add(text="No way back")
    after = decide(specification(), panel)

    assert after.label >= before.label


@given(panel=panels(), data=st.data())
def test_what_is_unsupported_changes_no_byte(
    panel: list[panel_pb2.PersonaReview], data: st.DataObject
) -> None:
    before = decide(specification(), panel)
    for each in data.draw(st.lists(st.sampled_from(panel), min_size=1, max_size=5)):
        at = data.draw(st.integers(0, len(each.blocking_issues)))
        critical = data.draw(st.sampled_from([True, False, None]))
        more = panel_pb2.BlockingIssue(text="Keys in the log", security_critical=critical, unsupported=True)
        each.blocking_issues.insert(at, more)
        each.concerns.add(text="Keys in the log", blocking=True, unsupported=True)
    after = decide(specification(), panel)

    assert after.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True)


@given(panel=panels())
def test_the_confidence_lies_between_the_lowest_and_the_highest_score(
    panel: list[panel_pb2.PersonaReview],
) -> None:
    scores = [each.confidence_score for each in panel]

    confidence = decide(specification(), panel).overall_weighted_confidence

    assert min(scores) <= confidence <= max(scores)
