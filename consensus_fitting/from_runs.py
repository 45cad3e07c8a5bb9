"""Votes of stored runs as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from consensus_decision.labels import Label
from consensus_decision.policy import Policy
from consensus_fitting.labelled_votes import LabelledVotes


@dataclass(frozen=True, slots=True)
class RunVotes:
    """One run: scores and weights by persona id, and what was right."""

    run_id: str
    scores: Mapping[str, float]
    weights: Mapping[str, float]
    label: Label


def table_of(runs: Sequence[RunVotes], policy: Policy) -> tuple[LabelledVotes, dict[str, Decimal]]:
    """The table, and the weights that the personas had in the first run that has them; a persona that a run
    lacks is missing there.

    The opinions of a persona are its scores; it approves from the policy's threshold on.
    """
    weights: dict[str, float] = {}
    for run in runs:
        for persona, weight in run.weights.items():
            weights.setdefault(persona, weight)
    personas = tuple(weights)
    scores = np.array([[run.scores.get(persona, np.nan) for persona in personas] for run in runs])
    scores = scores.reshape(len(runs), len(personas))
    table = LabelledVotes(
        personas=personas,
        scores=scores,
        opinions=scores,
        approval_cut=policy.thresholds.approve,
        labels=np.array([run.label for run in runs], dtype=np.int64),
        groups=np.arange(len(runs)),
        lower_cut=policy.thresholds.revise,
    )
    return table, {persona: Decimal(f"{weight:.4f}") for persona, weight in weights.items()}
