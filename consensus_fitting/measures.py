"""How good decisions were, given what was right. Pure.

Of probabilities: Brier score (mean squared error), log loss, over-confidence (mean probability of the
likelier side less the share of times that it was right), expected calibration error over ten bins. Of
decisions: accuracy and cost. All are about one question: was approve right?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from consensus_decision.labels import APPROVE, REJECT, REVISE
from consensus_decision.policy import LossMatrix
from consensus_fitting.applying import Judgements
from consensus_fitting.labelled_votes import Flags, Floats, Integers, LabelledVotes

_SURE = 1e-12
_BINS = 10
_RESAMPLES = 500
_ERRORS = 2.0


@dataclass(frozen=True, slots=True)
class Measures:
    """nan where a policy gives no probabilities."""

    accuracy: float
    """Share of rows whose likelier side was right; of decisions where there are no probabilities."""
    brier: float
    log_loss: float
    over_confidence: float
    calibration_error: float
    cost: float
    """Mean of the loss matrix over the decisions."""
    approved: float
    """Share of rows that were approved."""


def measures_of(judgements: Judgements, votes: LabelledVotes, loss: LossMatrix) -> Measures:
    """Over all rows."""
    right, costs = votes.right_approvals, costs_of(judgements.labels, votes, loss)
    approved = np.asarray(judgements.labels == APPROVE)
    if judgements.posteriors is None:
        nan = float("nan")
        accuracy = float((approved == right).mean())
        return Measures(accuracy, nan, nan, nan, nan, float(costs.mean()), float(approved.mean()))
    return of_probabilities(judgements.posteriors[:, 0], right, costs, approved)


def of_probabilities(chance: Floats, right: Flags, costs: Floats, approved: Flags) -> Measures:
    """`chance` that approve is right, beside whether it was."""
    bounded = np.clip(chance, _SURE, 1 - _SURE)
    is_right = (chance > 0.5) == right
    return Measures(
        accuracy=float(is_right.mean()),
        brier=float(((chance - right) ** 2).mean()),
        log_loss=float(-np.where(right, np.log(bounded), np.log(1 - bounded)).mean()),
        over_confidence=float(np.maximum(chance, 1 - chance).mean() - is_right.mean()),
        calibration_error=calibration_error(chance, right),
        cost=float(costs.mean()),
        approved=float(approved.mean()),
    )


def costs_of(decided: Integers, votes: LabelledVotes, loss: LossMatrix) -> Floats:
    """What each decision cost. Where revise was never right, it is not to approve, as reject is."""
    table = np.array([[float(each) for each in row] for row in loss.costs])
    labels = decided if bool((votes.labels == REVISE).any()) else np.where(decided == REVISE, REJECT, decided)
    return np.asarray(table[labels - 1, votes.labels - 1], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Saving:
    """What decisions cost less, in the mean, than never to approve; and the standard error of that."""

    saved: float
    standard_error: float

    @property
    def is_shown(self) -> bool:
        """Whether it is more than chance gives to one in twenty or so."""
        return self.saved > _ERRORS * self.standard_error


def saving_of(decided: Integers, votes: LabelledVotes, loss: LossMatrix) -> Saving:
    """Rows of one group err together: they are one observation."""
    never = min(
        (costs_of(np.full(len(votes), label, dtype=np.int64), votes, loss) for label in (REVISE, REJECT)),
        key=lambda costs: float(costs.mean()),
    )
    rows = never - costs_of(decided, votes, loss)
    saved = float(rows.mean())
    by_group = np.bincount(votes.groups, weights=rows - saved)
    return Saving(saved, float(np.sqrt((by_group**2).sum()) / len(rows)))


def calibration_error(chance: Floats, right: Flags) -> float:
    """Mean over the rows of how far their bin's mean probability is from its share of rights."""
    bins = np.minimum((chance * _BINS).astype(np.int64), _BINS - 1)
    error = 0.0
    for each in np.unique(bins):
        inside = bins == each
        error += abs(chance[inside].mean() - right[inside].mean()) * inside.mean()
    return float(error)


def reliability(chance: Floats, right: Flags) -> list[tuple[float, float, int]]:
    """Of each bin that is not empty: its mean probability, its share of rights, and its rows."""
    bins = np.minimum((chance * _BINS).astype(np.int64), _BINS - 1)
    return [
        (float(chance[bins == each].mean()), float(right[bins == each].mean()), int((bins == each).sum()))
        for each in np.unique(bins)
    ]


def intervals_of(
    measured: Callable[[Integers], Measures], groups: Integers, names: Sequence[str], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The middle 95 % of measures over resampled groups (the percentile bootstrap); `measured` is given the
    rows of a sample.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    found = []
    for _ in range(_RESAMPLES):
        picked = generator.integers(0, len(starts), len(starts))
        rows = np.concatenate([order[starts[each] : starts[each] + sizes[each]] for each in picked])
        found.append(measured(rows))
    ends = {name: np.percentile([getattr(each, name) for each in found], [2.5, 97.5]) for name in names}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def mean_of(several: list[Measures]) -> Measures:
    """Each measure's mean."""
    return Measures(
        **{
            each.name: float(np.mean([getattr(one, each.name) for one in several]))
            for each in fields(Measures)
        }
    )
