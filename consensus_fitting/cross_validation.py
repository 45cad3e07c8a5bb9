"""Judges every row by a policy that was fitted without it."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from consensus_decision.policy import DEFAULT, Policy, Strategy
from consensus_fitting.applying import Judgements, judge
from consensus_fitting.fitting import TooFewLabelsError, refit
from consensus_fitting.labelled_votes import LabelledVotes, folds_of


def cross_validated(
    strategy: Strategy,
    votes: LabelledVotes,
    base: Policy = DEFAULT,
    weights: Mapping[str, Decimal] | None = None,
) -> Judgements:
    """What a policy says of rows that it has not seen.

    Raises:
        TooFewLabelsError: outside a fold all outcomes have one label.
    """
    folds = folds_of(votes)
    posteriors, means = np.zeros((len(votes), 3)), np.zeros(len(votes))
    labels = np.zeros(len(votes), dtype=np.int64)
    for fold in np.unique(folds):
        inside = folds == fold
        judged = judge(refit(strategy, votes.of_rows(~inside), base, weights), votes.of_rows(inside), weights)
        if judged.posteriors is None:
            raise TooFewLabelsError("the strategy gives no probabilities")
        posteriors[inside], labels[inside], means[inside] = judged.posteriors, judged.labels, judged.means
    return Judgements(posteriors, labels, means)
