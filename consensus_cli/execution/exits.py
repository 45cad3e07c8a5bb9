"""Exit codes, and which one a decision or an error stands for: pure."""

from consensus.v1 import decision_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import InvalidField, InvalidPageToken

OK = 0
FAILED = 1
WRONG_USAGE = 2
REVISE = 10
REJECT = 11
INTERRUPTED = 130

_GATE = {
    decision_pb2.DECISION_LABEL_APPROVE: OK,
    decision_pb2.DECISION_LABEL_REVISE: REVISE,
    decision_pb2.DECISION_LABEL_REJECT: REJECT,
}


def of_decision(label: decision_pb2.DecisionLabel.ValueType, *, gate: bool) -> int:
    """0 for any decision; with `gate` 10 for revise, 11 for reject, 1 for a label of a newer server."""
    return _GATE.get(label, FAILED) if gate else OK


def of_error(error: ConsensusError) -> int:
    """2 where the caller's input is at fault, else 1."""
    return WRONG_USAGE if isinstance(error, InvalidField | InvalidPageToken) else FAILED
