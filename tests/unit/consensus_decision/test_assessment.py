"""What stands beside a decision: effective votes, margin, flip, whether it is calibrated, whether it may
stand.
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.v1 import panel_pb2, run_pb2
from consensus_decision.assessment import Assessment, assess
from consensus_decision.decision import decide, evaluation_of
from consensus_decision.effective_votes import effective_votes
from consensus_decision.flips import Flip
from consensus_decision.labels import APPROVE, REJECT, REVISE
from consensus_decision.policy import DEFAULT, Policy, Provenance, Selection
from tests.support.engine import PANEL, reviews, specification
from tests.support.policies import LOG_ODDS, LOGISTIC, POLICIES


def _panel(*scores: float) -> list[panel_pb2.PersonaReview]:
    return reviews(**dict(zip(PANEL.ids, scores, strict=True)))


def _assessed(policy: Policy, *scores: float, spec: run_pb2.RunSpecification | None = None) -> Assessment:
    return assess(evaluation_of(spec or specification(), _panel(*scores), policy))


def test_the_built_in_rule_has_no_probabilities_and_says_so() -> None:
    assessment = _assessed(DEFAULT, 0.9, 0.9, 0.9, 0.9, 0.9)

    assert list(assessment.labels) == []
    assert assessment.uncalibrated.startswith("The policy was fitted on no outcomes")
    assert assessment.margin == Decimal("0.1000")
    assert assessment.may_stand_alone is None


def test_below_the_floor_of_labels_a_policy_is_not_calibrated() -> None:
    few = replace(LOGISTIC, provenance=Provenance(29, "5" * 64))

    assert _assessed(LOGISTIC, 0.9, 0.9, 0.9, 0.9, 0.9).uncalibrated == ""
    assert "29 outcomes; below 30" in _assessed(few, 0.9, 0.9, 0.9, 0.9, 0.9).uncalibrated


def test_five_personas_on_one_model_are_about_one_vote() -> None:
    one = _assessed(DEFAULT, 0.9, 0.9, 0.9, 0.9, 0.9)
    spec = specification()
    for index, persona in enumerate(spec.personas):
        persona.model = f"model-{index}"
    several = _assessed(DEFAULT, 0.9, 0.9, 0.9, 0.9, 0.9, spec=spec)
    fitted = _assessed(LOGISTIC, 0.9, 0.9, 0.9, 0.9, 0.9)

    assert (one.one_model, one.effective_votes, one.rho) == (
        "gpt-review",
        Decimal("1.2255"),
        Decimal("0.7700"),
    )
    assert (several.one_model, several.effective_votes) == ("", Decimal("1.6892"))
    assert (fitted.rho, fitted.is_rho_fitted) == (Decimal("0.5000"), True)


def test_the_correlation_of_a_panel_lies_between_those_of_its_pairs() -> None:
    spec = specification()
    spec.personas[0].model = spec.personas[1].model = "other"  # 4 of 10 pairs share a model

    rho = _assessed(DEFAULT, 0.9, 0.9, 0.9, 0.9, 0.9, spec=spec).rho

    assert rho == Decimal("0.4") * Decimal("0.77") + Decimal("0.6") * Decimal("0.49")


@pytest.mark.parametrize(("personas", "rho", "votes"), [(1, "0.7", "1"), (5, "1", "1"), (5, "-0.2", "5")])
def test_effective_votes_lie_between_one_and_all(personas: int, rho: str, votes: str) -> None:
    assert effective_votes(personas, Decimal(rho)) == Decimal(votes)


def test_the_smallest_flip_names_the_persona_and_the_scores() -> None:
    # (0.25 * 0.85 + 0.25 * 0.75 + 0.6 * …) lies at 0.80 exactly: of the heaviest a step down is enough.
    assessment = _assessed(DEFAULT, 0.85, 0.75, 0.8, 0.8, 0.8)

    assert assessment.margin == 0
    assert assessment.flip == Flip("architect", Decimal("0.8500"), Decimal("0.8497"), REVISE)


def test_where_no_score_alone_changes_the_label_there_is_no_flip() -> None:
    assert _assessed(DEFAULT, 0.1, 0.1, 0.1, 0.1, 0.1).flip is None


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@settings(deadline=None, max_examples=30)
@given(scores=st.lists(st.integers(0, 100), min_size=5, max_size=5))
def test_a_flip_flips_and_a_step_less_does_not(policy: Policy, scores: list[int]) -> None:
    panel = _panel(*(score / 100 for score in scores))
    label = decide(specification(), panel, policy=policy).label
    flip = assess(evaluation_of(specification(), panel, policy)).flip
    if flip is None:
        return

    def label_at(score: Decimal) -> int:
        for each in panel:
            if each.persona_id == flip.persona_id:
                each.confidence_score = float(score)
        return decide(specification(), panel, policy=policy).label

    step = Decimal("0.0001") if flip.to_score > flip.from_score else Decimal("-0.0001")
    assert label_at(flip.to_score) == flip.label != label
    assert label_at(flip.to_score - step) == label


def test_a_decision_stands_alone_from_the_least_posterior_up_unless_it_was_vetoed() -> None:
    selective = replace(LOG_ODDS, selection=Selection(Decimal("0.15"), Decimal("0.6")))
    sure, unsure = _panel(0.9, 0.95, 0.9, 0.9, 0.9), _panel(0.9, 0.5, 0.7, 0.9, 0.3)
    vetoed = _panel(0.9, 0.95, 0.9, 0.9, 0.9)
    vetoed[3].blocking_issues.add(text="Keys in the log", security_critical=True)

    def stands(panel: list[panel_pb2.PersonaReview], policy: Policy = selective) -> bool | None:
        return assess(evaluation_of(specification(), panel, policy)).may_stand_alone

    assert [stands(each) for each in (sure, unsure, vetoed)] == [True, False, False]
    assert stands(sure, replace(selective, selection=Selection(Decimal("0.15"), None))) is False


def test_steps_tell_each_number_and_also_what_did_not_fire() -> None:
    panel = _panel(0.9, 0.95, 0.9, 0.9, 0.9)
    panel[3].blocking_issues.add(text="Keys in the log", security_critical=True)

    steps = evaluation_of(specification(), panel, LOG_ODDS).steps()

    assert [(each.name, each.fired, each.label) for each in steps] == [
        ("weighing", True, None),
        ("posterior", True, None),
        ("expected_loss", True, APPROVE),
        ("veto", True, REVISE),
        ("blocking_weight", False, REVISE),
        ("required_persona_missing", False, REVISE),
        ("fresh_weight", False, REVISE),
        ("suspected_injection", False, REVISE),
    ]
    assert REJECT not in [each.label for each in steps]
