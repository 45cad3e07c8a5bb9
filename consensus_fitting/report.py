"""What is to be told of a fitted policy: how good it is on outcomes that it has not seen, beside the constant
answer and the best single persona.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from consensus_decision.policy import DEFAULT, Policy, Strategy
from consensus_fitting.applying import Judgements, judge
from consensus_fitting.bench import best_single_reviewer
from consensus_fitting.correlation import effective_share, error_correlation
from consensus_fitting.cross_validation import cross_validated
from consensus_fitting.fitting import fit_policy
from consensus_fitting.labelled_votes import FOLDS, Floats, Integers, LabelledVotes
from consensus_fitting.measures import (
    Measures,
    Saving,
    costs_of,
    intervals_of,
    measures_of,
    reliability,
    saving_of,
)
from consensus_fitting.selection import confidences_of, selection_for, stands_alone, wrong_ones

_WORST = 5
TOLD = ("accuracy", "cost", "over_confidence", "calibration_error", "brier", "log_loss")
"""The measures that have an interval."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A decision that was wrong, and how sure it was: the posterior of the label that was decided."""

    row: int
    decided: int
    right: int
    confidence: float


@dataclass(frozen=True, slots=True)
class FitReport:
    """The policy, fitted on all outcomes; the rest is of policies that had not seen what they judge."""

    policy: Policy
    labels: int
    folds: int
    base_rate: float
    """How often approve was right."""
    rho: float | None
    effective_votes: float
    measures: Measures
    intervals: Mapping[str, tuple[float, float]]
    """95 % of each measure in TOLD, by resampling outcomes."""
    constant_accuracy: float
    constant_cost: float
    best_single: str
    best_single_accuracy: float
    saving: Saving
    """Beside never approving, at the policy's own costs."""
    reliability: list[tuple[float, float, int]]
    worst: list[Miss]
    coverage: float | None
    """Share of decisions that may stand alone; None without a target error."""


def fit_and_report(
    strategy: Strategy,
    votes: LabelledVotes,
    base: Policy = DEFAULT,
    weights: Mapping[str, Decimal] | None = None,
    target_error: Decimal | None = None,
) -> FitReport:
    """Raises:
    TooFewLabelsError: fewer than LEAST_LABELS outcomes, or all with one label.
    """
    policy = fit_policy(strategy, votes, base, weights)
    unseen = cross_validated(strategy, votes, base, weights)
    if target_error is not None:
        policy = replace(policy, selection=selection_for(target_error, unseen, votes))
    measures = measures_of(unseen, votes, policy.loss)
    single, single_accuracy = best_single_reviewer(votes)
    costs = [
        costs_of(np.full(len(votes), label, dtype=np.int64), votes, policy.loss).mean() for label in (1, 2, 3)
    ]
    rate = float(votes.right_approvals.mean())
    return FitReport(
        policy=policy,
        labels=len(votes),
        folds=min(FOLDS, len(votes)),
        base_rate=rate,
        rho=error_correlation(votes),
        effective_votes=effective_share(votes) * len(votes.personas),
        measures=measures,
        intervals=_intervals(unseen, votes, policy),
        constant_accuracy=max(rate, 1 - rate),
        constant_cost=float(min(costs)),
        best_single=single,
        best_single_accuracy=single_accuracy,
        saving=saving_of(unseen.labels, votes, policy.loss),
        reliability=reliability(_chances(unseen), votes.right_approvals),
        worst=_worst(unseen, votes),
        coverage=None
        if target_error is None
        else float(stands_alone(policy, judge(policy, votes, weights)).mean()),
    )


def _chances(judgements: Judgements) -> Floats:
    if judgements.posteriors is None:
        raise ValueError("a policy that was not fitted has no posteriors")
    return np.asarray(judgements.posteriors[:, 0])


def _intervals(unseen: Judgements, votes: LabelledVotes, policy: Policy) -> Mapping[str, tuple[float, float]]:
    def measured(rows: Integers) -> Measures:
        some = Judgements(
            None if unseen.posteriors is None else unseen.posteriors[rows],
            unseen.labels[rows],
            unseen.means[rows],
        )
        return measures_of(some, votes.of_rows(rows), policy.loss)

    return intervals_of(measured, votes.groups, TOLD)


def _worst(unseen: Judgements, votes: LabelledVotes) -> list[Miss]:
    """The wrong decisions that were surest."""
    sure, wrong = confidences_of(unseen), wrong_ones(unseen, votes)
    rows = sorted(np.flatnonzero(wrong), key=lambda row: (-sure[row], row))[:_WORST]
    return [Miss(int(row), int(unseen.labels[row]), int(votes.labels[row]), float(sure[row])) for row in rows]
