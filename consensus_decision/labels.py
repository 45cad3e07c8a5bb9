"""The three labels, from the best to the worst: approve 1, revise 2, reject 3. Pure."""

from collections.abc import Mapping
from typing import TypeAlias

from consensus.v1 import decision_pb2

Label: TypeAlias = decision_pb2.DecisionLabel.ValueType

APPROVE: Label = decision_pb2.DECISION_LABEL_APPROVE
REVISE: Label = decision_pb2.DECISION_LABEL_REVISE
REJECT: Label = decision_pb2.DECISION_LABEL_REJECT
LABELS = (APPROVE, REVISE, REJECT)


def label_name(label: Label) -> str:
    """`approve`, `revise` or `reject`."""
    return decision_pb2.DecisionLabel.Name(label).removeprefix("DECISION_LABEL_").lower()


NAMED: Mapping[str, Label] = {label_name(label): label for label in LABELS}
"""The labels by their names."""
