"""The labels that lists show beside the panel's: people's in its place, and with people counted in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection

from consensus.v1 import decision_pb2, run_pb2
from consensus_decision.policies import UnknownPolicyError, policy_of
from persistence_service.runs.form import names
from persistence_service.runs.form.specification import specification_message
from persistence_service.runs.read import repository
from persistence_service.runs.read.people import find_reviewed
from persistence_service.runs.read.verdicts import find_verdicts

Row = Mapping[Any, Any]
Label: TypeAlias = decision_pb2.DecisionLabel.ValueType


@dataclass(frozen=True, slots=True)
class Labels:
    """By run, where there is one."""

    overrides: Mapping[str, Label]
    with_people: Mapping[str, Label]

    def told(self, run: run_pb2.Run) -> run_pb2.Run:
        """The same run, with what there is for it."""
        if (label := self.overrides.get(run.run_id)) is not None:
            run.effective_override.label = label
        if (label := self.with_people.get(run.run_id)) is not None:
            run.decision_with_humans.label = label
        return run


def find_labels(
    connection: Connection, tenant: str, decided: Sequence[Row], *, show_deleted: bool = False
) -> Labels:
    """Of these runs; only those that people reviewed and whose policies count them are decided again."""
    run_ids = [row["run_id"] for row in decided]
    overrides = repository.find_overrides(connection, tenant, run_ids, show_deleted=show_deleted)
    reviewed = find_reviewed(connection, tenant, run_ids, show_deleted=show_deleted)
    counted = [row for row in decided if row["run_id"] in reviewed and _counts_people(row)]
    runs = find_verdicts(connection, tenant, counted, show_deleted=show_deleted) if counted else []
    return Labels(
        {run_id: names.label_number(row["label"]) for run_id, row in overrides.items()},
        {run.run_id: run.decision_with_humans.label for run in runs if run.HasField("decision_with_humans")},
    )


def _counts_people(row: Row) -> bool:
    try:
        return policy_of(specification_message(row)).counts_people
    except UnknownPolicyError:
        return False
