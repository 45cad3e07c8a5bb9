"""Labels and reasons by the words that people are shown: pure."""

from consensus.v1 import decision_pb2
from consensus_contract.errors import Reason, reason_name
from consensus_report import text


def label_word(label: decision_pb2.DecisionLabel.ValueType) -> str:
    """A decision's label in capitals."""
    return text.word(decision_pb2.DecisionLabel, label, "DECISION_LABEL_").upper()


def override_words(override: decision_pb2.DecisionOverride) -> str:
    """Who let another label hold than the panel's, and why."""
    who = text.clean(override.user or override.caller)
    return f"by {who} instead of the panel's decision: {text.clean(override.reason)}"


def reason(number: Reason) -> str:
    """A reason's name, also one of a newer server."""
    try:
        return reason_name(number)
    except ValueError:
        return f"reason {number}"
