"""Decided runs beside what turned out to be right about them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from consensus_decision.policies import DEFAULT_POLICY_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from consensus.v1 import decision_service_pb2, run_pb2
    from consensus_client import DecisionClient
    from consensus_fitting.from_runs import RunVotes  # needs the extra [fit]

LEAST_RELIABLE = 0.5
"""An outcome that is less sure says nothing."""


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """A run's votes, its decision, and its most reliable outcome: the newest of those."""

    run: decision_service_pb2.ReaggregatedRun
    outcome: decision_service_pb2.Outcome


async def labelled_runs(client: DecisionClient, wanted: run_pb2.RunFilter) -> list[LabelledRun]:
    """The decided runs that the filter wants and of which the outcome is known, newest first."""
    best: dict[str, decision_service_pb2.Outcome] = {}
    async for outcome in client.list_outcomes():
        if outcome.reliability >= LEAST_RELIABLE:
            best[outcome.run_id] = max(best.get(outcome.run_id, outcome), outcome, key=_worth)
    # The built-in policy's contributions are the votes, whatever decided.
    again = client.reaggregate(DEFAULT_POLICY_ID, wanted)
    return [LabelledRun(run, best[run.run_id]) async for run in again if run.run_id in best]


def _worth(outcome: decision_service_pb2.Outcome) -> tuple[float, datetime]:
    return outcome.reliability, outcome.create_time.ToDatetime()


def votes_of(labelled: Sequence[LabelledRun]) -> list[RunVotes]:
    """The votes of runs that have any, as fitting takes them."""
    from consensus_fitting.from_runs import RunVotes

    return [
        RunVotes(
            run_id=each.run.run_id,
            scores={part.persona_id: part.confidence_score for part in each.run.decision.contributions},
            weights={part.persona_id: part.weight for part in each.run.decision.contributions},
            label=each.outcome.label,
        )
        for each in labelled
        if each.run.decision.contributions
    ]


def kinds_of(
    run_ids: Sequence[str], specifications: Mapping[str, run_pb2.RunSpecification]
) -> dict[str, list[bool]]:
    """Which runs are over longer texts than half of them, and which are answered in which language."""
    known = [specifications.get(run_id) for run_id in run_ids]
    lengths = [0 if each is None else _length(each) for each in known]
    middle = median(lengths)
    kinds = {"longer texts": [length > middle for length in lengths]}
    languages = ["" if each is None else each.language for each in known]
    for language in sorted(set(languages) - {""}):
        kinds[f"in {language}"] = [each == language for each in languages]
    return kinds


def _length(specification: run_pb2.RunSpecification) -> int:
    """Characters of what was reviewed."""
    return len(specification.document.text or specification.idea or str(specification.proposal))
