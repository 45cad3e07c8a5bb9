"""Fits a policy of a strategy on labelled votes."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from consensus_decision.policy import DEFAULT, Parameters, Policy, Provenance, Strategy
from consensus_decision.policy_reading import accepted
from consensus_fitting.applying import judge
from consensus_fitting.correlation import error_correlation
from consensus_fitting.labelled_votes import LEAST_LABELS, LabelledVotes
from consensus_fitting.log_odds import fit_log_odds
from consensus_fitting.logistic import fit_logistic, fit_mean


class TooFewLabelsError(ValueError):
    """There are not enough outcomes, or all are alike; says so in a sentence."""


def fit_policy(
    strategy: Strategy,
    votes: LabelledVotes,
    base: Policy = DEFAULT,
    weights: Mapping[str, Decimal] | None = None,
) -> Policy:
    """As `refit`, from enough outcomes.

    Raises:
        TooFewLabelsError: fewer than LEAST_LABELS, or all with one label.
    """
    if len(votes) < LEAST_LABELS:
        raise TooFewLabelsError(f"{len(votes)} outcomes are too few to fit on: at least {LEAST_LABELS}")
    return refit(strategy, votes, base, weights)


def refit(
    strategy: Strategy,
    votes: LabelledVotes,
    base: Policy = DEFAULT,
    weights: Mapping[str, Decimal] | None = None,
) -> Policy:
    """`base` with the strategy's parameters, the correlation of the panel's errors, and what they were fitted
    on; `weights` are the personas' in their panel.

    Raises:
        TooFewLabelsError: all outcomes have one label.
    """
    weights = {**(weights or {}), **base.weights} or None
    correlation = error_correlation(votes)
    rho = None if correlation is None else Decimal(f"{correlation:.4f}")
    try:
        parameters = _parameters(strategy, votes, weights)
    except ValueError as error:
        raise TooFewLabelsError(str(error)) from error
    return accepted(
        replace(
            base,
            strategy=strategy,
            parameters=parameters,
            correlation=replace(base.correlation, fitted=rho),
            selection=None,
            provenance=Provenance(labelled_runs=len(votes), data_sha256=votes.sha256()),
        )
    )


def _parameters(
    strategy: Strategy, votes: LabelledVotes, weights: Mapping[str, Decimal] | None
) -> Parameters:
    match strategy:
        case Strategy.LOG_ODDS_TEMPERED:
            return fit_log_odds(votes)
        case Strategy.LOGISTIC_SCORES:
            return fit_logistic(votes)
        case Strategy.WEIGHTED_MEAN:
            return fit_mean(votes, judge(DEFAULT, votes, weights).means)
