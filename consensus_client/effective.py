"""Which label of a run holds: pure."""

from consensus.v1 import decision_pb2, run_pb2


def effective_label(run: run_pb2.Run) -> decision_pb2.DecisionLabel.ValueType:
    """The newest override's; else what the policy makes of the panel and people together, where it counts
    these; else the panel's. UNSPECIFIED without a decision.
    """
    if run.HasField("effective_override"):
        return run.effective_override.label
    if run.HasField("decision_with_humans"):
        return run.decision_with_humans.label
    return run.decision.label
