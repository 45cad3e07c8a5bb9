"""Votes of a panel beside what turned out to be right, as arrays. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from consensus_decision.labels import APPROVE, LABELS, Label

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

LEAST_LABELS = 30
"""Fewer outcomes say too little to fit anything on."""
FOLDS = 10
"""Parts of the outcomes, each of which is judged by what was fitted on the others."""


@dataclass(frozen=True, slots=True)
class LabelledVotes:
    """`n` panels that judged something of which the right label is known.

    Of shape (n, personas), with nan where a persona did not answer: `scores`, 0 to 1 in four decimals, and
    `opinions`, which is what confusion counts count by intervals between `cuts`: the scores, or 1 and 0 where
    personas say themselves whether they approve. Of shape (n): `labels`, and `groups`, of which all of one
    number are about one thing and stay on one side of a split.
    """

    personas: tuple[str, ...]
    scores: Floats
    opinions: Floats
    approval_cut: Decimal
    labels: Integers
    groups: Integers
    lower_cut: Decimal | None = None
    """Another cut that may be tried: where an opinion is not even half an approval."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def seen_labels(self) -> tuple[Label, ...]:
        """The labels that were right somewhere, from the best to the worst."""
        return tuple(label for label in LABELS if bool((self.labels == label).any()))

    @property
    def right_approvals(self) -> Flags:
        """Where approve was right."""
        return np.asarray(self.labels == APPROVE)

    @property
    def approvals(self) -> Floats:
        """1 where a persona by itself approved, 0 where it did not."""
        approved = (self.opinions >= float(self.approval_cut)).astype(np.float64)
        return np.where(np.isnan(self.opinions), np.nan, approved)

    def of_rows(self, rows: Flags | Integers) -> "LabelledVotes":
        """Some of them."""
        return replace(
            self,
            scores=self.scores[rows],
            opinions=self.opinions[rows],
            labels=self.labels[rows],
            groups=self.groups[rows],
        )

    def of_personas(self, indices: Sequence[int]) -> "LabelledVotes":
        """The votes of some of the personas alone."""
        return replace(
            self,
            personas=tuple(self.personas[each] for each in indices),
            scores=self.scores[:, indices],
            opinions=self.opinions[:, indices],
        )

    def sha256(self) -> str:
        """Digest of all of it, in lowercase hexadecimal; of the same data always the same."""
        digest = hashlib.sha256(",".join(self.personas).encode())
        for part in (self.scores, self.opinions):
            digest.update(np.ascontiguousarray(np.nan_to_num(part, nan=-1.0), dtype="<f8").tobytes())
        for numbers in (self.labels, self.groups):
            digest.update(np.ascontiguousarray(numbers, dtype="<i8").tobytes())
        digest.update(f"{self.approval_cut} {self.lower_cut}".encode())
        return digest.hexdigest()


def folds_of(votes: LabelledVotes, seed: int = 0) -> Integers:
    """To which of FOLDS folds, or of as many as there are rows, each belongs: groups whole, in an order that
    chance gives, so that each fold has about as many.
    """
    count = min(FOLDS, len(votes))
    groups, inverse = np.unique(votes.groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    fold = np.empty(len(groups), dtype=np.int64)
    fold[order] = np.arange(len(groups)) % count
    return fold[inverse]
