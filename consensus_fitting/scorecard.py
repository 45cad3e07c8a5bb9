"""How each persona did against outcomes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from consensus_decision.labels import APPROVE
from consensus_fitting.labelled_votes import Flags, Integers, LabelledVotes
from consensus_fitting.measures import reliability


@dataclass(frozen=True, slots=True)
class PersonaScore:
    """One persona; nan where there is nothing to say."""

    persona: str
    answered: int
    brier: float
    """Mean squared distance of its score from 1 where approve was right, else from 0."""
    agreement: float
    """Share of its votes that were right."""
    mean_score: float
    dissents: int
    """Runs in which it voted otherwise than the panel decided."""
    right_dissents: int
    curve: list[tuple[float, float, int]]
    """By score: the mean score, how often approve was right, and how many."""
    bias: Mapping[str, float]
    """By group of texts: its mean score there, less its mean score."""


def scorecard(
    votes: LabelledVotes, decided: Integers, groups: Mapping[str, Sequence[bool]]
) -> list[PersonaScore]:
    """Of every persona, in the order of the table; `decided` are the panel's labels, `groups` say which rows
    belong to which kind of text.
    """
    kinds = {name: np.array(rows, dtype=np.bool_) for name, rows in groups.items()}
    return [_of(votes, index, decided, kinds) for index in range(len(votes.personas))]


def _of(votes: LabelledVotes, index: int, decided: Integers, kinds: Mapping[str, Flags]) -> PersonaScore:
    scores, approvals, right = votes.scores[:, index], votes.approvals[:, index], votes.right_approvals
    there = ~np.isnan(scores)
    dissent = there & (approvals != (decided == APPROVE))
    return PersonaScore(
        persona=votes.personas[index],
        answered=int(there.sum()),
        brier=_mean((scores[there] - right[there]) ** 2),
        agreement=_mean(approvals[there] == right[there]),
        mean_score=_mean(scores[there]),
        dissents=int(dissent.sum()),
        right_dissents=int((dissent & (approvals == right)).sum()),
        curve=reliability(scores[there], right[there]) if there.any() else [],
        bias={name: _mean(scores[there & rows]) - _mean(scores[there]) for name, rows in kinds.items()},
    )


def _mean(values: "np.typing.ArrayLike") -> float:
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()) if array.size else float("nan")
