"""Fits LOGISTIC_SCORES and the calibration of a weighted mean: ridge logistic regression, ordinal over the
labels.

The cumulative logits share their slopes. They are fitted as one binary regression over each pair of a row
and a cut between labels, with an intercept of its own for each cut (Li and Lin, 2006): so the cuts come out
in order. The strength of the ridge is chosen by cross-validated log loss.
"""

from decimal import Decimal

import numpy as np
from sklearn.linear_model import LogisticRegression

from consensus_decision.labels import Label
from consensus_decision.policy import LogisticParameters, MeanParameters, Ordinal, ScoreTerm
from consensus_fitting.labelled_votes import Floats, Integers, LabelledVotes, folds_of
from consensus_fitting.losses import log_loss

_STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Inverse strengths of the ridge (scikit-learn's C)."""
_USUAL = 10.0
_FREE = 100.0
"""So large a column of a cut that the ridge leaves its intercept alone."""
_PLACES = 6
_LARGEST = 999.0


def fit_logistic(votes: LabelledVotes) -> LogisticParameters:
    """A coefficient and a mean for each persona's score.

    Raises:
        ValueError: only one label was ever right.
    """
    ordinal, terms = _fit(votes, votes.scores)
    return LogisticParameters(ordinal, dict(zip(votes.personas, terms, strict=True)))


def fit_mean(votes: LabelledVotes, means: Floats) -> MeanParameters:
    """What the weighted mean says of outcomes; `means` has one for each row.

    Raises:
        ValueError: only one label was ever right.
    """
    ordinal, (term,) = _fit(votes, means[:, None])
    return MeanParameters(ordinal, term)


def _fit(votes: LabelledVotes, scores: Floats) -> tuple[Ordinal, list[ScoreTerm]]:
    labels = votes.seen_labels
    if len(labels) < 2:
        raise ValueError("every outcome has the same label: there is nothing to tell apart")
    means = np.round(np.nan_to_num(np.nanmean(scores, axis=0)), 4)
    # A score that is missing says nothing: as the mean does.
    centred = np.nan_to_num(scores - means)
    strength = _best_strength(votes, centred, labels)
    slopes, cuts = _regress(centred, votes.labels, labels, strength)
    terms = [
        ScoreTerm(_decimal(slope), Decimal(repr(float(mean))))
        for slope, mean in zip(slopes, means, strict=True)
    ]
    return Ordinal(labels, tuple(_decimal(cut) for cut in np.maximum.accumulate(cuts))), terms


def _best_strength(votes: LabelledVotes, centred: Floats, labels: tuple[Label, ...]) -> float:
    folds = folds_of(votes)

    def loss(strength: float) -> float:
        whole = float(np.log(strength / _USUAL) ** 2 / 2)
        for fold in np.unique(folds):
            outside, inside = folds != fold, folds == fold
            slopes, cuts = _regress(centred[outside], votes.labels[outside], labels, strength)
            whole += _loss_of(centred[inside] @ slopes, cuts, votes.labels[inside], labels)
        return whole

    return min(_STRENGTHS, key=loss)


def _regress(
    centred: Floats, right: Integers, labels: tuple[Label, ...], strength: float
) -> tuple[Floats, Floats]:
    """The slopes, and an intercept for each label but the worst."""
    cuts, features = len(labels) - 1, centred.shape[1]
    rows = np.zeros((len(right) * cuts, features + cuts))
    reached = np.zeros(len(right) * cuts, dtype=np.int64)
    for index in range(cuts):
        part = slice(index * len(right), (index + 1) * len(right))
        rows[part, :features], rows[part, features + index] = centred, _FREE
        reached[part] = right <= labels[index]
    if reached.min() == reached.max():  # a fold without one of the labels says nothing of any slope
        return np.zeros(features), np.full(cuts, 5.0 if reached[0] else -5.0)
    model = LogisticRegression(C=strength, fit_intercept=False, solver="newton-cholesky", max_iter=100)
    model.fit(rows, reached)
    coefficients = np.clip(np.asarray(model.coef_[0], dtype=np.float64), -_LARGEST, _LARGEST)
    return coefficients[:features], coefficients[features:] * _FREE


def _loss_of(x: Floats, cuts: Floats, right: Integers, labels: tuple[Label, ...]) -> float:
    reached = 1 / (1 + np.exp(-(np.maximum.accumulate(cuts)[None, :] + x[:, None])))
    whole = np.hstack([np.zeros((len(x), 1)), reached, np.ones((len(x), 1))])
    return log_loss(np.diff(whole, axis=1), np.searchsorted(np.array(labels), right))


def _decimal(value: float) -> Decimal:
    return Decimal(f"{min(max(float(value), -_LARGEST), _LARGEST):.{_PLACES}f}")
