"""People beside a panel: who counts, how much, and that a panel's own decision knows nothing of them."""

from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import decision_pb2, human_review_pb2, panel_pb2, run_pb2
from consensus_decision.decision import decide, decision_of, with_people
from consensus_decision.labels import APPROVE, REJECT, REVISE, Label
from consensus_decision.people import live_reviews
from consensus_decision.policies import policy_message
from consensus_decision.policy import DEFAULT, HUMAN, Flag, Policy, PolicyQuorum, VetoRule
from consensus_decision.policy_content import canonical_policy, policy_content, policy_digest
from consensus_decision.policy_fields import PolicyRefusedError
from consensus_decision.policy_reading import policy_of_content
from tests.support.engine import PANEL, reviews, specification
from tests.support.policies import LOG_ODDS, LOGISTIC, MEAN, POLICIES

HALF = replace(DEFAULT, human_weight=Decimal("0.5"))
SCORES = st.integers(0, 10_000).map(lambda value: value / 10_000)


def pinned(policy: Policy) -> run_pb2.RunSpecification:
    run = specification()
    run.policy.CopyFrom(policy_message("p", policy))
    return run


def said(user: str, score: float, at: int = 1, **fields: Any) -> human_review_pb2.HumanReview:
    review = human_review_pb2.HumanReview(
        review_id=f"{at:02}-{user}", confidence_score=score, user=user, **fields
    )
    review.create_time.seconds = at
    return review


def together(
    policy: Policy, panel: list[panel_pb2.PersonaReview], *people: human_review_pb2.HumanReview
) -> decision_pb2.Decision:
    evaluation = with_people(pinned(policy), panel, people)
    assert evaluation is not None
    return decision_of(evaluation)


def alike(score: float) -> list[panel_pb2.PersonaReview]:
    return reviews(**dict.fromkeys(PANEL.ids, score))


def test_a_person_counts_by_the_weight_that_the_policy_gives() -> None:
    decision = together(HALF, alike(0.9), said("ann", 0.3))

    assert decision.overall_weighted_confidence == 0.7  # (1 * 0.9 + 0.5 * 0.3) / 1.5
    assert decision.label == REVISE
    assert decision.contributions[-1] == decision_pb2.PersonaContribution(
        persona_id="human:01-ann", weight=0.5, confidence_score=0.3, contribution=0.1
    )
    assert (decision.completeness.expected_count, decision.completeness.present_count) == (5, 5)


def test_without_a_weight_nobody_counts_beside_the_panel() -> None:
    assert with_people(pinned(DEFAULT), alike(0.9), [said("ann", 0)]) is None
    assert with_people(pinned(HALF), alike(0.9), []) is None


def test_the_newest_review_of_each_person_is_live() -> None:
    caller = human_review_pb2.HumanReview(review_id="x", caller="ann")
    first, second, other = said("ann", 0.1), said("ann", 0.2, at=2), said("bob", 0.3)

    assert live_reviews([second, caller, other, first]) == [other, second, caller]


@pytest.mark.parametrize(
    "policy", [HALF, *(replace(each, human_weight=Decimal("0.25")) for each in (MEAN, LOGISTIC, LOG_ODDS))]
)
def test_every_part_of_a_panel_is_decided_with_people_and_as_before_without(policy: Policy) -> None:
    panel = reviews(architect=0.85, critic=0.4, optimist=0.9, security_guardian=0.75, user_advocate=0.6)
    unweighted = replace(policy, human_weight=Decimal(0))
    for size in range(1, 6):
        for part in map(list, combinations(panel, size)):
            decision = together(policy, part, said("ann", 0.2), said("bob", 0.95))
            assert [each.persona_id for each in decision.contributions[-2:]] == [
                "human:01-ann",
                "human:01-bob",
            ]
            alone, before = (decide(pinned(each), part) for each in (policy, unweighted))
            before.policy = alone.policy
            assert alone == before


@given(scores=st.lists(SCORES, min_size=1, max_size=4), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_people_changes_no_byte(scores: list[float], shuffle: Random) -> None:
    people = [said(f"u{index}", score) for index, score in enumerate(scores)]
    shuffled = list(people)
    shuffle.shuffle(shuffled)

    first, second = (together(HALF, alike(0.7), *each) for each in (people, shuffled))

    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@given(low=SCORES, high=SCORES)
def test_what_people_say_moves_the_decision_as_the_whole_panel_would(
    policy: Policy, low: float, high: float
) -> None:
    """Full weight and the panel's own score change nothing but how sure it is."""
    weighted = replace(policy, human_weight=Decimal(1))
    decision = together(weighted, alike(low), said("ann", low))
    assert (
        decision.overall_weighted_confidence == decide(pinned(policy), alike(low)).overall_weighted_confidence
    )
    mean = together(weighted, alike(low), said("ann", high)).overall_weighted_confidence
    assert min(low, high) - 1e-4 <= mean <= max(low, high) + 1e-4


def test_a_blocking_issue_of_a_person_weighs_as_any_reviewers() -> None:
    issue = panel_pb2.BlockingIssue(text="It leaks.", security_critical=True)
    at_one = replace(DEFAULT, human_weight=Decimal(1))

    light, heavy = (
        together(each, alike(0.9), said("ann", 0.9, blocking_issues=[issue])) for each in (HALF, at_one)
    )

    assert (light.label, heavy.label) == (APPROVE, REVISE)  # a third of the weight, and half of it
    assert heavy.fired_rules[-1].rule == decision_pb2.DECISION_RULE_BLOCKING_WEIGHT
    assert "ann" in heavy.fired_rules[-1].explanation
    assert (light.minority_reports[0].persona_name, light.minority_reports[0].blocking_summary) == (
        "ann",
        "It leaks.",
    )


@pytest.mark.parametrize(
    ("vetoes", "label"), [((VetoRule(),), APPROVE), ((VetoRule(HUMAN, Flag.BLOCKING, REJECT),), REJECT)]
)
def test_people_hold_a_veto_only_where_a_rule_names_them(vetoes: tuple[VetoRule, ...], label: Label) -> None:
    policy = replace(HALF, vetoes=vetoes)
    issue = panel_pb2.BlockingIssue(text="The law forbids it.")

    assert together(policy, alike(0.95), said("ann", 0.9, blocking_issues=[issue])).label == label
    assert decide(pinned(policy), alike(0.95)).label == APPROVE


def test_a_policy_may_ask_for_a_person_before_it_approves() -> None:
    policy = replace(HALF, quorum=PolicyQuorum(required_personas=(HUMAN,)))

    alone = decide(pinned(policy), alike(0.95))

    assert alone.label == REVISE
    assert alone.fired_rules[-1].explanation.startswith("Without a person the panel cannot approve.")
    assert together(policy, alike(0.95), said("ann", 0.9)).label == APPROVE


def test_who_reviewed_read_the_very_text() -> None:
    panel = alike(0.9)
    for each in panel:
        each.stale_sections.append("proposed_solution")
    policy = replace(DEFAULT, human_weight=Decimal(1), vetoes=(VetoRule(HUMAN, Flag.BLOCKING, REVISE),))

    decision = together(policy, panel, said("ann", 0.9))

    assert decision.fresh_weight == 0.5
    assert decision.label == APPROVE


@pytest.mark.parametrize("weight", ["-0.1", "1.01", "0.12345"])
def test_a_weight_out_of_bounds_is_refused(weight: str) -> None:
    with pytest.raises(PolicyRefusedError, match="human_weight"):
        policy_of_content({"human_weight": weight})


def test_a_weight_of_0_changes_no_digest() -> None:
    assert b"human_weight" not in canonical_policy(DEFAULT)
    assert policy_digest(policy_of_content({"human_weight": "0"})) == policy_digest(DEFAULT)
    assert policy_of_content(policy_content(HALF)) == HALF
    assert policy_digest(HALF) != policy_digest(DEFAULT)
