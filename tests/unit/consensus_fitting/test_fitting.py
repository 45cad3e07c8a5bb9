"""Policies fitted on outcomes that were drawn from panels with known truth."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from consensus_decision.labels import APPROVE, LABELS, REJECT, REVISE
from consensus_decision.policy import (
    LogisticParameters,
    LogOddsParameters,
    LossMatrix,
    MeanParameters,
    Strategy,
)
from consensus_decision.policy_content import canonical_policy
from consensus_fitting.applying import judge
from consensus_fitting.correlation import effective_share, error_correlation
from consensus_fitting.fitting import TooFewLabelsError, fit_policy
from consensus_fitting.labelled_votes import LabelledVotes, folds_of
from consensus_fitting.measures import measures_of, saving_of
from consensus_fitting.synthetic import Panel, drawn

COPYING = drawn(Panel(copying=0.8), 400, seed=1)
INDEPENDENT = drawn(Panel(copying=0.0), 400, seed=1)


def three_labels(count: int) -> LabelledVotes:
    """Two judges whose scores rise with how good a thing is, and one that guesses."""
    generator = np.random.default_rng(3)
    labels = generator.integers(1, 4, count)
    good = (4 - labels)[:, None] * 0.25 + generator.normal(0, 0.1, (count, 2))
    scores = np.hstack([good, generator.random((count, 1))]).clip(0, 1).round(4).astype(np.float64)
    return LabelledVotes(
        personas=("one", "two", "guess"),
        scores=scores,
        opinions=scores,
        approval_cut=Decimal("0.6"),
        labels=labels.astype(np.int64),
        groups=np.arange(count),
        lower_cut=Decimal("0.4"),
    )


@pytest.mark.parametrize("strategy", Strategy)
def test_a_fit_beats_the_constant_answer_on_rows_that_it_has_not_seen(strategy: Strategy) -> None:
    fresh = drawn(Panel(copying=0.0), 2000, seed=2)

    policy = fit_policy(strategy, INDEPENDENT)
    measures = measures_of(judge(policy, fresh), fresh, policy.loss)

    constant = float(fresh.right_approvals.mean()) * float((~fresh.right_approvals).mean())
    assert measures.brier < 0.75 * constant
    assert abs(measures.over_confidence) < 0.05


@pytest.mark.parametrize("strategy", Strategy)
def test_the_same_outcomes_give_the_same_bytes(strategy: Strategy) -> None:
    assert canonical_policy(fit_policy(strategy, COPYING)) == canonical_policy(fit_policy(strategy, COPYING))


def test_who_copies_counts_for_less() -> None:
    copying, independent = (
        fit_policy(Strategy.LOG_ODDS_TEMPERED, votes).parameters for votes in (COPYING, INDEPENDENT)
    )
    assert isinstance(copying, LogOddsParameters)
    assert isinstance(independent, LogOddsParameters)
    assert copying.temperature < Decimal("0.5")
    assert independent.temperature > Decimal("0.7")


def test_three_labels_have_cuts_in_order_and_are_told_apart() -> None:
    votes, fresh = three_labels(300), three_labels(900)
    for strategy in Strategy:
        policy = fit_policy(strategy, votes)
        posteriors = judge(policy, fresh).posteriors
        assert posteriors is not None
        assert np.allclose(posteriors.sum(axis=1), 1)
        likeliest = posteriors.argmax(axis=1) + 1
        assert float((likeliest == fresh.labels).mean()) > 0.6
        if isinstance(policy.parameters, LogisticParameters | MeanParameters):
            assert policy.parameters.ordinal.labels == LABELS
            assert policy.parameters.ordinal.cuts[0] < policy.parameters.ordinal.cuts[1]


def test_two_cuts_that_are_one_are_not_tried_as_two() -> None:
    votes = replace(three_labels(300), lower_cut=Decimal("0.6"))

    parameters = fit_policy(Strategy.LOG_ODDS_TEMPERED, votes).parameters

    assert isinstance(parameters, LogOddsParameters)
    assert all(len(each.cuts) == 1 for each in parameters.confusions.values())


def test_a_missing_score_is_no_score() -> None:
    """Whoever is missing in all of the rows says nothing, in whatever strategy."""
    absent = replace(COPYING, scores=COPYING.scores.copy(), opinions=COPYING.opinions.copy())
    absent.scores[:, 0] = absent.opinions[:, 0] = np.nan
    for strategy in (Strategy.LOGISTIC_SCORES, Strategy.LOG_ODDS_TEMPERED):
        without = judge(fit_policy(strategy, COPYING), absent).posteriors
        assert without is not None
        assert np.isfinite(without).all()


@pytest.mark.parametrize("count", [1, 29])
def test_too_few_outcomes_are_refused(count: int) -> None:
    with pytest.raises(TooFewLabelsError, match=f"{count} outcomes are too few"):
        fit_policy(Strategy.LOG_ODDS_TEMPERED, COPYING.of_rows(np.arange(count)))


@pytest.mark.parametrize("strategy", Strategy)
def test_outcomes_that_are_all_alike_are_refused(strategy: Strategy) -> None:
    with pytest.raises(TooFewLabelsError, match="same label"):
        fit_policy(strategy, COPYING.of_rows(~COPYING.right_approvals))


def test_errors_that_are_one_are_one_vote_and_errors_of_chance_are_many() -> None:
    generator = np.random.default_rng(5)
    labels = np.where(generator.random(4000) < 0.5, APPROVE, REJECT).astype(np.int64)
    wrong_together = generator.random(4000) < 0.3
    right = labels == APPROVE
    together = np.repeat((right ^ wrong_together)[:, None], 5, axis=1).astype(np.float64)
    apart = np.column_stack([right ^ (generator.random(4000) < 0.3) for _ in range(5)]).astype(np.float64)
    for opinions, votes in ((together, 1.0), (apart, 5.0)):
        table = replace(COPYING, scores=opinions, opinions=opinions, labels=labels, groups=np.arange(4000))
        assert effective_share(table) * 5 == pytest.approx(votes, abs=0.3)


def test_a_panel_that_is_always_right_says_nothing_of_how_alike_its_errors_are() -> None:
    opinions = np.repeat(COPYING.right_approvals[:, None], 5, axis=1).astype(np.float64)

    assert error_correlation(replace(COPYING, opinions=opinions)) is None


def test_rows_of_one_group_stay_in_one_fold() -> None:
    votes = replace(COPYING, groups=np.arange(400) // 4)
    folds = folds_of(votes)

    assert all(len(set(folds[votes.groups == group])) == 1 for group in range(100))
    assert sorted(np.bincount(folds)) == [40] * 10


def test_a_price_at_which_nothing_is_worth_approving_is_noticed() -> None:
    """At 2 a good panel pays; at 1000 no approval does, and one that approves all never does."""
    fresh = drawn(Panel(copying=0.0), 2000, seed=4)
    fitted = fit_policy(Strategy.LOG_ODDS_TEMPERED, INDEPENDENT)
    for cost, is_shown in ((2, True), (1000, False)):
        loss = LossMatrix.of_false_approval(Decimal(cost))
        saving = saving_of(judge(replace(fitted, loss=loss), fresh).labels, fresh, loss)
        assert saving.is_shown is is_shown
    everything = saving_of(np.full(2000, APPROVE), fresh, LossMatrix.of_false_approval(Decimal(2)))
    assert everything.saved < 0


def test_where_revise_is_never_right_it_costs_what_reject_does() -> None:
    loss = LossMatrix.of_false_approval(Decimal(2))

    saving = saving_of(np.full(len(COPYING), REVISE), COPYING, loss)

    assert saving.saved == 0
