"""What holds of every strategy, whoever is missing and in whatever order the reviews come."""

from dataclasses import replace
from decimal import Decimal, getcontext, localcontext
from itertools import combinations
from math import exp, log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.v1 import panel_pb2
from consensus_decision.assessment import assess
from consensus_decision.decision import decide, evaluation_of
from consensus_decision.labels import APPROVE, LABELS, REJECT, REVISE
from consensus_decision.policy import DEFAULT, Flag, LogOddsParameters, LossMatrix, Policy, VetoRule
from consensus_decision.posteriors import temperature_of
from tests.support.engine import PANEL, review, reviews, specification
from tests.support.policies import LOG_ODDS, LOGISTIC, MEAN, POLICIES

SUBSETS = [subset for size in range(1, 6) for subset in combinations(PANEL.ids, size)]
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def _panel(*scores: float) -> list[panel_pb2.PersonaReview]:
    return reviews(**dict(zip(PANEL.ids, scores, strict=True)))


@every_policy
@pytest.mark.parametrize("score", [0.8, 0.9, 1.0])
def test_nobody_missing_makes_a_reject_of_what_all_approve(policy: Policy, score: float) -> None:
    costly = replace(policy, loss=LossMatrix.of_false_approval(Decimal(50)))
    for subset in SUBSETS:
        approvals = [review(each, score) for each in subset]
        for each in (policy, costly):
            assert decide(specification(min_personas=1), approvals, policy=each).label != REJECT, subset


@every_policy
def test_without_a_holder_of_a_veto_nothing_is_approved(policy: Policy) -> None:
    named = replace(policy, vetoes=(VetoRule("critic", Flag.BLOCKING, REJECT),))
    for subset in SUBSETS:
        approvals = [review(each, 1.0) for each in subset]
        spec = specification(min_personas=1)
        assert "security_guardian" in subset or decide(spec, approvals, policy=policy).label != APPROVE
        assert {"security_guardian", "critic"} <= {*subset} or (
            decide(spec, approvals, policy=named).label != APPROVE
        )


@every_policy
@settings(deadline=None, max_examples=40)
@given(
    scores=st.lists(st.integers(0, 10_000), min_size=5, max_size=5),
    present=st.sets(st.sampled_from(PANEL.ids), min_size=1),
    shuffle=st.randoms(use_true_random=False),
)
def test_shuffled_reviews_give_the_same_bytes(
    policy: Policy, scores: list[int], present: set[str], shuffle: Random
) -> None:
    panel = [each for each in _panel(*(score / 10_000 for score in scores)) if each.persona_id in present]
    shuffled = list(panel)
    shuffle.shuffle(shuffled)

    one, other = (evaluation_of(specification(), each, policy) for each in (panel, shuffled))

    first, second = (decide(specification(), each, policy=policy) for each in (panel, shuffled))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    assert repr(assess(one)) == repr(assess(other))
    assert one.steps() == other.steps()


@every_policy
def test_another_context_of_the_thread_changes_nothing(policy: Policy) -> None:
    panel = _panel(0.8123, 0.7654, 0.91, 0.8456, 0.6789)

    def outcome() -> str:
        evaluation = evaluation_of(specification(), panel, policy)
        return f"{decide(specification(), panel, policy=policy)}{assess(evaluation)}{evaluation.steps()}"

    plain = outcome()
    with localcontext() as context:
        context.prec, context.rounding = 3, "ROUND_CEILING"
        assert outcome() == plain
        assert getcontext().prec == 3


def test_a_logistic_posterior_is_that_of_cumulative_logits() -> None:
    scores = (0.9, 0.5, 0.7, 0.8, 0.2)
    x = sum(c * (s - 0.65) for c, s in zip((4.25, 3, 0.5, 2.5, -1), scores, strict=True))
    approve, revise = (1 / (1 + exp(-(cut + x))) for cut in (-1.5, 0.5))

    labels = assess(evaluation_of(specification(), _panel(*scores), LOGISTIC)).labels

    expected = [approve, revise - approve, 1 - revise]
    assert [float(each.posterior) for each in labels] == pytest.approx(expected, abs=1e-6)
    costs = [2 * (1 - approve), approve + 1 - revise, revise]
    assert [float(each.expected_loss) for each in labels] == pytest.approx(costs, abs=2e-6)


def test_tempered_log_odds_are_the_prior_and_a_part_of_the_sum() -> None:
    # 0.9, 0.7 and 0.1 lie in the third, second and first of the intervals; one is missing, one at a cut.
    panel = reviews(architect=0.9, critic=0.7, optimist=0.1, security_guardian=0.8)
    rows = [(20, (1, 4, 15)), (35, (8, 20, 7))]
    likelihoods = [[log((row[at] + 1) / (sum(row) + 3)) for at in (2, 1, 0, 2)] for _, row in rows]
    worst = [log((row[at] + 1) / 48) for at, row in zip((2, 1, 0, 2), _worst_rows(), strict=True)]
    temperature = 0.4 * (1 + 4 * 0.5) / (1 + 3 * 0.5)
    logits = [
        log(count + 1) + temperature * sum(logs) for (count, _), logs in zip(rows, likelihoods, strict=True)
    ]
    logits.append(log(46) + temperature * sum(worst))
    whole = sum(exp(each) for each in logits)

    labels = assess(evaluation_of(specification(), panel, LOG_ODDS)).labels

    assert [float(each.posterior) for each in labels] == pytest.approx(
        [exp(each) / whole for each in logits], abs=1e-6
    )


def _worst_rows() -> list[tuple[int, int, int]]:
    return [(30 - index, 10, 5 + index) for index in range(4)]


def test_a_persona_alone_counts_in_full_at_most() -> None:
    parameters = LOG_ODDS.parameters
    assert isinstance(parameters, LogOddsParameters)
    half = Decimal("0.5")

    given = [temperature_of(parameters, half, present) for present in (5, 3, 1)]
    alone = temperature_of(replace(parameters, temperature=Decimal("0.6")), half, 1)

    assert given == [Decimal("0.4"), Decimal("0.6"), 1]
    assert alone == 1
    assert temperature_of(parameters, None, 1) == Decimal("0.4")


def test_a_label_that_no_outcome_had_has_no_probability_and_is_not_chosen_by_it() -> None:
    assert isinstance(LOG_ODDS.parameters, LogOddsParameters)
    confusions = {
        each: replace(confusion, counts=(confusion.counts[0], confusion.counts[2]))
        for each, confusion in LOG_ODDS.parameters.confusions.items()
    }
    parameters = replace(
        LOG_ODDS.parameters, labels=(APPROVE, REJECT), prior_counts=(20, 45), confusions=confusions
    )
    evaluation = evaluation_of(
        specification(), _panel(0.7, 0.7, 0.7, 0.7, 0.7), replace(LOG_ODDS, parameters=parameters)
    )

    assert evaluation.posterior is not None
    assert evaluation.posterior[REVISE] == 0
    assert evaluation.label == REJECT


def test_of_labels_that_cost_the_same_the_lowest_is_chosen() -> None:
    free = replace(LOGISTIC, loss=LossMatrix(tuple((Decimal(0),) * 3 for _ in LABELS)))

    assert decide(specification(), _panel(0.7, 0.7, 0.7, 0.7, 0.7), policy=free).label == REJECT
    assert decide(specification(), _panel(1.0, 1.0, 1.0, 1.0, 1.0), policy=free).label == REVISE


@pytest.mark.parametrize("policy", [LOGISTIC, LOG_ODDS, MEAN])
def test_a_veto_lowers_whatever_the_strategy_says_to_the_label_of_its_rule(policy: Policy) -> None:
    panel = _panel(1.0, 0.99, 1.0, 1.0, 0.9)
    panel[1].blocking_issues.add(text="No way back")
    before = decide(specification(), panel, policy=policy)
    strict = replace(policy, vetoes=(VetoRule(), VetoRule("critic", Flag.BLOCKING, REJECT)))

    after = decide(specification(), panel, policy=strict)

    assert (before.label, after.label) == (APPROVE, REJECT)
    assert after.fired_rules[-1].explanation == (
        "Critic, who holds the veto, names a blocking issue. This lowers approve to reject."
    )


def test_weights_of_the_policy_take_the_place_of_the_panels() -> None:
    heavy = replace(DEFAULT, weights={"critic": Decimal(1), "optimist": Decimal(0)})
    decision = decide(specification(), _panel(0.9, 0.3, 1.0, 0.9, 0.9), policy=heavy)

    assert [each.weight for each in decision.contributions][:3] == [
        next(p.weight for p in PANEL.personas if p.persona_id == "architect"), 1.0, 0.0,
    ]  # fmt: skip
    assert decision.label == REJECT
