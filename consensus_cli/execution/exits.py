"""Exit codes, and which one a decision or an error stands for: pure."""

from consensus.v1 import decision_pb2, run_pb2
from consensus_contract.errors import ConsensusError, QuorumNotMet, RunFailed
from consensus_rpc.errors import InvalidField, InvalidPageToken

OK = 0
FAILED = 1
WRONG_USAGE = 2
REVISE = 10
REJECT = 11
NOT_ENOUGH_OF_THE_PANEL = 12
INTERRUPTED = 130

_GATE = {
    decision_pb2.DECISION_LABEL_APPROVE: OK,
    decision_pb2.DECISION_LABEL_REVISE: REVISE,
    decision_pb2.DECISION_LABEL_REJECT: REJECT,
}


# What withholds an approval because too little of the panel answered, or read the text.
_PANEL_RULES = frozenset(
    {
        decision_pb2.DECISION_RULE_REQUIRED_PERSONA_MISSING,
        decision_pb2.DECISION_RULE_FRESH_WEIGHT,
    }
)


def of_run(run: run_pb2.Run, *, gate: bool) -> int:
    """As `of_decision`, by what holds of a decided run: an override, else the decision with people counted
    in, else the panel's.
    """
    if run.HasField("effective_override"):
        return _GATE.get(run.effective_override.label, FAILED) if gate else OK
    together = run.HasField("decision_with_humans")
    return of_decision(run.decision_with_humans if together else run.decision, gate=gate)


def of_decision(decision: decision_pb2.Decision, *, gate: bool) -> int:
    """0 for any decision; with `gate` 10 for revise, 11 for reject, 12 where nothing but the panel's turnout
    withheld an approval, 1 for a label of a newer server.
    """
    if not gate:
        return OK
    if _lacks_panel(decision):
        return NOT_ENOUGH_OF_THE_PANEL
    return _GATE.get(decision.label, FAILED)


def _lacks_panel(decision: decision_pb2.Decision) -> bool:
    if decision.label != decision_pb2.DECISION_LABEL_REVISE or not decision.fired_rules:
        return False
    threshold, *lowering = decision.fired_rules
    rules = {rule.rule for rule in lowering}
    return threshold.data["label"] == "approve" and bool(rules) and rules <= _PANEL_RULES


def of_error(error: ConsensusError, *, gate: bool) -> int:
    """2 where the caller's input is at fault; with `gate` 12 where a run ended because too few personas
    answered; else 1.
    """
    if gate and isinstance(error, RunFailed) and (isinstance(error, QuorumNotMet) or error.causes):
        return NOT_ENOUGH_OF_THE_PANEL
    return WRONG_USAGE if isinstance(error, InvalidField | InvalidPageToken) else FAILED
