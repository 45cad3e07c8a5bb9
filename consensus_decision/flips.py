"""The smallest change of one score that makes another decision. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from consensus_decision.evaluation import Evaluation
from consensus_decision.labels import Label
from consensus_decision.policy import LogOddsParameters, Strategy
from consensus_decision.votes import Vote

_GRID = 10_000
"""Scores have four decimals."""


@dataclass(frozen=True, slots=True)
class Flip:
    """Whose score would have to be what instead, and which label that gives."""

    persona_id: str
    from_score: Decimal
    to_score: Decimal
    label: Label


def smallest_flip(evaluation: Evaluation) -> Flip | None:
    """Of those of the same size the first in persona order, downwards before upwards; None where no score
    of a single persona changes the label.

    A persona's blocking issues stay as they are. Between a score and the end of the scale the label is
    taken to change once, as it does where a higher score speaks for a better label, or always against it.
    """
    flips = [flip for vote in evaluation.votes for flip in _flips(evaluation, vote)]
    return min(flips, key=lambda flip: abs(flip.to_score - flip.from_score), default=None)


def _flips(evaluation: Evaluation, vote: Vote) -> Iterator[Flip]:
    persona_id, label = vote.persona.persona_id, evaluation.label

    def label_at(step: int) -> Label:
        return evaluation.with_score(persona_id, _score(step)).label

    begin = int(vote.score * _GRID)
    search = _by_intervals(evaluation, persona_id) or _by_halving
    for end in (0, _GRID):
        step = search(label_at, begin, end, label)
        if step is not None:
            yield Flip(persona_id, vote.score, _score(step), label_at(step))


def _score(step: int) -> Decimal:
    return Decimal(step).scaleb(-4)


_Search = Callable[[Callable[[int], Label], int, int, Label], int | None]


def _by_halving(label_at: Callable[[int], Label], begin: int, end: int, label: Label) -> int | None:
    """The step nearest to `begin` towards `end` with another label."""
    if begin == end or label_at(end) == label:
        return None
    same, other = begin, end
    while abs(other - same) > 1:
        middle = (same + other) // 2
        if label_at(middle) == label:
            same = middle
        else:
            other = middle
    return other


def _by_intervals(evaluation: Evaluation, persona_id: str) -> _Search | None:
    """For confusion counts, where a score matters by the interval that it is in, and that of an approval."""
    parameters = evaluation.policy.parameters
    if evaluation.policy.strategy != Strategy.LOG_ODDS_TEMPERED or not isinstance(
        parameters, LogOddsParameters
    ):
        return None
    confusion = parameters.confusions.get(persona_id)
    edges = {evaluation.policy.thresholds.approve, *(confusion.cuts if confusion else ())}
    cuts = sorted(int(edge * _GRID) for edge in edges)

    def search(label_at: Callable[[int], Label], begin: int, end: int, label: Label) -> int | None:
        steps = (
            [cut for cut in cuts if begin < cut]
            if end
            else [cut - 1 for cut in reversed(cuts) if cut <= begin]
        )
        return next((step for step in steps if step >= 0 and label_at(step) != label), None)

    return search
