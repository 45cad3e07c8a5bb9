"""Enums of the contract as the tables spell them. Pure."""

from consensus.v1.attempt_pb2 import AttemptState
from consensus.v1.decision_pb2 import DecisionLabel, DecisionRule
from consensus.v1.errors_pb2 import ErrorReason
from consensus.v1.run_pb2 import RunState, RunType
from persistence_service.schema.scalars import enum_number, enum_text

QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"
OPEN = frozenset({QUEUED, RUNNING})

INITIAL, REVISION = "INITIAL", "REVISION"

STARTED, UNKNOWN = "STARTED", "UNKNOWN"


def run_state_text(number: RunState.ValueType) -> str:
    """Such as `RUNNING`."""
    return enum_text(RunState, "RUN_STATE_", number)


def run_state_number(text: str) -> RunState.ValueType:
    """Back again."""
    number: RunState.ValueType = enum_number(RunState, "RUN_STATE_", text)
    return number


def run_type_text(number: RunType.ValueType) -> str:
    """Such as `INITIAL`."""
    return enum_text(RunType, "RUN_TYPE_", number)


def run_type_number(text: str) -> RunType.ValueType:
    """Back again."""
    number: RunType.ValueType = enum_number(RunType, "RUN_TYPE_", text)
    return number


def label_text(number: DecisionLabel.ValueType) -> str:
    """Such as `APPROVE`."""
    return enum_text(DecisionLabel, "DECISION_LABEL_", number)


def label_number(text: str) -> DecisionLabel.ValueType:
    """Back again."""
    number: DecisionLabel.ValueType = enum_number(DecisionLabel, "DECISION_LABEL_", text)
    return number


def rule_text(number: DecisionRule.ValueType) -> str:
    """Such as `SECURITY_VETO`."""
    return enum_text(DecisionRule, "DECISION_RULE_", number)


def rule_number(text: str) -> DecisionRule.ValueType:
    """Back again."""
    number: DecisionRule.ValueType = enum_number(DecisionRule, "DECISION_RULE_", text)
    return number


def reason_text(number: ErrorReason.ValueType) -> str:
    """Such as `LLM_TIMEOUT`."""
    return enum_text(ErrorReason, "ERROR_REASON_", number)


def reason_number(text: str) -> ErrorReason.ValueType:
    """Back again."""
    number: ErrorReason.ValueType = enum_number(ErrorReason, "ERROR_REASON_", text)
    return number


def attempt_state_text(number: AttemptState.ValueType) -> str:
    """Such as `STARTED`."""
    return enum_text(AttemptState, "ATTEMPT_STATE_", number)


def attempt_state_number(text: str) -> AttemptState.ValueType:
    """Back again."""
    number: AttemptState.ValueType = enum_number(AttemptState, "ATTEMPT_STATE_", text)
    return number
