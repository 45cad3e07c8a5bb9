"""Runs that people reviewed, decided again under policies that count them and that do not."""

from dataclasses import replace
from decimal import Decimal

from consensus.v1 import decision_pb2, human_review_pb2, run_pb2
from consensus_decision.decision import decide
from consensus_decision.policies import default_policy, policy_message
from consensus_decision.policy import DEFAULT
from persistence_service.decisions.deciding import decided_again, explained
from tests.support.engine import PANEL, reviews, specification

APPROVE, REJECT = decision_pb2.DECISION_LABEL_APPROVE, decision_pb2.DECISION_LABEL_REJECT
COUNTING = policy_message("people", replace(DEFAULT, human_weight=Decimal(1)))


def reviewed() -> run_pb2.Run:
    """A run that its panel approves, and a person would not have."""
    found = reviews(**dict.fromkeys(PANEL.ids, 0.95))
    said = human_review_pb2.HumanReview(run_id="r", review_id="h", confidence_score=0.1, user="ann")
    return run_pb2.Run(
        run_id="r",
        specification=specification(),
        persona_reviews=found,
        human_reviews=[said],
        decision=decide(specification(), found),
    )


def test_history_counts_people_under_a_policy_that_does_and_beside_the_panel() -> None:
    run = reviewed()

    counted, plain = decided_again(run, COUNTING), decided_again(run, default_policy())

    assert (counted.decision.label, counted.decision_with_humans.label) == (APPROVE, REJECT)
    assert [each.persona_id for each in counted.decision.contributions] == list(PANEL.ids)
    assert not plain.HasField("decision_with_humans")


def test_an_explanation_tells_both_steps_apart() -> None:
    own, other = explained(reviewed(), None), explained(reviewed(), COUNTING)

    assert own.as_stored
    assert not own.steps_with_humans
    assert other.decision_with_humans.label == REJECT
    assert "1.0000 * 0.1" in other.steps_with_humans[0].explanation
    assert "score_human:h" not in other.steps[0].data
