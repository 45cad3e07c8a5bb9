"""Applies a policy to labelled votes as a decision does, in decimals. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from consensus_decision.decimals import EXACT, round_half_up
from consensus_decision.labelling import choose, expected_losses
from consensus_decision.labels import LABELS
from consensus_decision.policy import LogOddsParameters, Policy
from consensus_decision.posteriors import Scores, posterior_of
from consensus_fitting.labelled_votes import Floats, Integers, LabelledVotes

_ABSENT = -1.0


@dataclass(frozen=True, slots=True)
class Judgements:
    """What a policy says of each row: `posteriors` of shape (n, 3) or None where it was not fitted, the
    label that is decided, and the weighted mean.
    """

    posteriors: Floats | None
    labels: Integers
    means: Floats


def judge(policy: Policy, votes: LabelledVotes, weights: Mapping[str, Decimal] | None = None) -> Judgements:
    """Of every row; `weights` are the personas' in their panel, all alike where none are given.

    Nothing lowers these labels: what blocks stands in reviews, not in votes.
    """
    weights = {**(weights or {}), **policy.weights} or None
    looked_at, inverse = _distinct(policy, votes)
    judged = [_judge_one(policy, votes, looked_at[row], weights) for row in range(len(looked_at))]
    posteriors = None
    if policy.parameters is not None:
        posteriors = np.array([each[0] for each in judged], dtype=np.float64)[inverse]
    return Judgements(
        posteriors=posteriors,
        labels=np.array([each[1] for each in judged], dtype=np.int64)[inverse],
        means=np.array([each[2] for each in judged], dtype=np.float64)[inverse],
    )


def _distinct(policy: Policy, votes: LabelledVotes) -> tuple[Floats, Integers]:
    """The rows that a policy can tell apart, each once, and which of them each row is."""
    told_apart: Floats
    if isinstance(policy.parameters, LogOddsParameters):
        looked_at = np.nan_to_num(votes.opinions, nan=_ABSENT)
        is_unanimous = (votes.opinions >= float(policy.thresholds.approve)) | np.isnan(votes.opinions)
        told_apart = np.column_stack(
            [_intervals(policy.parameters, votes, looked_at), is_unanimous.all(axis=1)]
        )
    else:
        looked_at = told_apart = np.nan_to_num(votes.scores, nan=_ABSENT)
    _, first, inverse = np.unique(told_apart, axis=0, return_index=True, return_inverse=True)
    return looked_at[first], np.asarray(inverse, dtype=np.int64).reshape(-1)


def _intervals(parameters: LogOddsParameters, votes: LabelledVotes, opinions: Floats) -> Floats:
    """Which interval between its cuts each persona's opinion is in."""
    found = np.full(opinions.shape, _ABSENT)
    for index, persona in enumerate(votes.personas):
        confusion = parameters.confusions.get(persona)
        edges = [float(cut) for cut in confusion.cuts] if confusion else []
        found[:, index] = np.searchsorted(np.array(edges), opinions[:, index], side="right")
    return np.where(opinions == _ABSENT, _ABSENT, found)


def _judge_one(
    policy: Policy, votes: LabelledVotes, row: Floats, weights: Mapping[str, Decimal] | None
) -> tuple[list[float], int, float]:
    scores: Scores = {
        persona: Decimal(repr(float(score)))
        for persona, score in zip(votes.personas, row, strict=True)
        if score != _ABSENT
    }
    with localcontext(EXACT):
        mean = weighted_mean(scores, weights)
        posterior = posterior_of(policy, scores, mean)
        losses = None if posterior is None else expected_losses(policy.loss, posterior)
        is_unanimous = bool(scores) and all(score >= policy.thresholds.approve for score in scores.values())
        label = choose(policy, mean, losses, is_unanimous)
    return [] if posterior is None else [float(posterior[each]) for each in LABELS], label, float(mean)


def weighted_mean(scores: Scores, weights: Mapping[str, Decimal] | None) -> Decimal:
    """Of the scores that are there, in four decimals; 0 of none."""
    own = {each: Decimal(1) if weights is None else weights.get(each, Decimal(0)) for each in scores}
    whole = sum(own.values(), Decimal(0))
    if not whole:
        return Decimal(0)
    return round_half_up(EXACT.divide(sum((own[each] * scores[each] for each in scores), Decimal(0)), whole))
