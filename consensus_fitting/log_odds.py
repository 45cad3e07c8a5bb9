"""Fits LOG_ODDS_TEMPERED: confusion counts with a prior, and the temperature by cross-validated log loss.

Dawid and Skene's confusion counts (1979), whose log-odds are summed as if personas judged independently; they
do not, so the sum is tempered, as power likelihoods are (Holmes and Walker, 2017). n_eff / K is where the
search for the temperature begins, and what holds it where there is little data: as it stands it is too timid
for a panel that has one much better judge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from consensus_decision.labels import Label
from consensus_decision.policy import Confusion, LogOddsParameters
from consensus_fitting.correlation import effective_share
from consensus_fitting.labelled_votes import Floats, Integers, LabelledVotes, folds_of
from consensus_fitting.losses import log_loss

_PSEUDO_COUNT = 1
_TEMPERATURES = np.round(np.exp(np.linspace(np.log(0.02), np.log(2.0), 120)), 4)
_PRIOR_SPREAD = 0.25
"""Standard deviation of ln(temperature) around ln(n_eff / K)."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What confusion counts are made of: for each row and persona the interval, -1 where it is missing."""

    intervals: Integers
    width: int
    classes: Integers
    class_count: int


def fit_log_odds(votes: LabelledVotes) -> LogOddsParameters:
    """The cuts that are told apart best, the counts between them, and the temperature.

    Raises:
        ValueError: only one label was ever right.
    """
    labels = votes.seen_labels
    if len(labels) < 2:
        raise ValueError("every outcome has the same label: there is nothing to tell apart")
    folds = folds_of(votes)
    prior = effective_share(votes)
    tried = [
        (*_best_temperature(_counted(votes, labels, cuts), folds, prior), cuts) for cuts in _choices(votes)
    ]
    _, temperature, cuts = min(tried, key=lambda each: each[0])
    return parameters_of(votes, labels, cuts, temperature)


def _choices(votes: LabelledVotes) -> list[list[tuple[Decimal, ...]]]:
    """The cuts of each persona: of its votes; of its scores also the lower one, both, or its own median."""
    shared: list[tuple[Decimal, ...]] = [(votes.approval_cut,)]
    if votes.lower_cut is None:
        return [shared * len(votes.personas)]
    if votes.lower_cut < votes.approval_cut:
        shared += [(votes.lower_cut,), (votes.lower_cut, votes.approval_cut)]
    choices = [[each] * len(votes.personas) for each in shared]
    choices.append([(_median(votes.opinions[:, index]),) for index in range(len(votes.personas))])
    return choices


def _median(opinions: Floats) -> Decimal:
    """The lowest score that is no worse than half of them."""
    known = np.sort(opinions[~np.isnan(opinions)])
    return Decimal(repr(float(known[len(known) // 2]))) if len(known) else Decimal("0.5")


def parameters_of(
    votes: LabelledVotes,
    labels: Sequence[Label],
    cuts: Sequence[tuple[Decimal, ...]],
    temperature: Decimal,
) -> LogOddsParameters:
    """The counts of all rows, between the cuts of each persona."""
    counted = _counted(votes, labels, cuts)
    counts = _counts(counted)
    confusions: Mapping[str, Confusion] = {
        persona: Confusion(
            cuts[index],
            tuple(tuple(int(each) for each in row[: len(cuts[index]) + 1]) for row in counts[index]),
        )
        for index, persona in enumerate(votes.personas)
    }
    return LogOddsParameters(
        labels=tuple(labels),
        prior_counts=tuple(int((votes.labels == label).sum()) for label in labels),
        confusions=confusions,
        temperature=temperature,
        pseudo_count=Decimal(_PSEUDO_COUNT),
    )


def _counted(votes: LabelledVotes, labels: Sequence[Label], cuts: Sequence[tuple[Decimal, ...]]) -> _Counted:
    intervals = np.full(votes.opinions.shape, -1, dtype=np.int64)
    for index, own in enumerate(cuts):
        answered = ~np.isnan(votes.opinions[:, index])
        edges = np.array([float(cut) for cut in own])
        intervals[answered, index] = np.searchsorted(edges, votes.opinions[answered, index], side="right")
    return _Counted(
        intervals=intervals,
        width=len(cuts[0]) + 1,
        classes=np.searchsorted(np.array(labels), votes.labels),
        class_count=len(labels),
    )


def _counts(counted: _Counted) -> Integers:
    """Of shape (personas, classes, intervals)."""
    personas = counted.intervals.shape[1]
    counts = np.zeros((personas, counted.class_count, counted.width), dtype=np.int64)
    for persona in range(personas):
        answered = counted.intervals[:, persona] >= 0
        np.add.at(counts[persona], (counted.classes[answered], counted.intervals[answered, persona]), 1)
    return counts


def _log_likelihoods(counts: Integers, intervals: Integers) -> Floats:
    """Summed over the personas who answered; of shape (rows, classes)."""
    raised = counts + float(_PSEUDO_COUNT)
    table = np.log(raised / raised.sum(axis=2, keepdims=True))
    whole = np.zeros((len(intervals), counts.shape[1]))
    for persona in range(counts.shape[0]):
        answered = intervals[:, persona] >= 0
        whole[answered] += table[persona][:, intervals[answered, persona]].T
    return whole


def _best_temperature(counted: _Counted, folds: Integers, prior: float) -> tuple[float, Decimal]:
    """The least penalised loss, and the temperature that has it."""
    rows = len(counted.classes)
    likelihoods, priors = np.zeros((rows, counted.class_count)), np.zeros((rows, counted.class_count))
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        without = _Counted(
            counted.intervals[outside], counted.width, counted.classes[outside], counted.class_count
        )
        likelihoods[inside] = _log_likelihoods(_counts(without), counted.intervals[inside])
        shares = np.bincount(without.classes, minlength=counted.class_count) + float(_PSEUDO_COUNT)
        priors[inside] = np.log(shares / shares.sum())
    losses = [
        _loss_of(priors + temperature * likelihoods, counted.classes)
        + np.log(temperature / prior) ** 2 / (2 * _PRIOR_SPREAD**2)
        for temperature in _TEMPERATURES
    ]
    best = int(np.argmin(losses))
    return float(losses[best]), Decimal(repr(float(_TEMPERATURES[best])))


def _loss_of(logits: Floats, classes: Integers) -> float:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return log_loss(shares / shares.sum(axis=1, keepdims=True), classes)
