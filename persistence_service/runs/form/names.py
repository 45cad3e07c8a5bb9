"""Enums of the contract as the tables spell them. Pure."""

from consensus.v1 import (
    attempt_pb2,
    decision_pb2,
    decision_service_pb2,
    errors_pb2,
    run_pb2,
    suspicion_pb2,
)
from persistence_service.schema.scalars import enum_number, enum_text

QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"
OPEN = frozenset({QUEUED, RUNNING})

INITIAL, REVISION = "INITIAL", "REVISION"

STARTED, UNKNOWN = "STARTED", "UNKNOWN"


def run_state_text(number: run_pb2.RunState.ValueType) -> str:
    """Such as `RUNNING`."""
    return enum_text(run_pb2.RunState, "RUN_STATE_", number)


def run_state_number(text: str) -> run_pb2.RunState.ValueType:
    """From such as `RUNNING`."""
    number: run_pb2.RunState.ValueType = enum_number(run_pb2.RunState, "RUN_STATE_", text)
    return number


def run_type_text(number: run_pb2.RunType.ValueType) -> str:
    """Such as `INITIAL`."""
    return enum_text(run_pb2.RunType, "RUN_TYPE_", number)


def run_type_number(text: str) -> run_pb2.RunType.ValueType:
    """From such as `INITIAL`."""
    number: run_pb2.RunType.ValueType = enum_number(run_pb2.RunType, "RUN_TYPE_", text)
    return number


FAILED_ESCALATES = "RUN_FAILED"
VETO_ESCALATES = "SECURITY_VETO"
TARGET_ESCALATES = "TARGET_ERROR"


def cause_number(text: str) -> decision_service_pb2.EscalationCause.ValueType:
    """From such as `RUN_FAILED`."""
    return decision_service_pb2.EscalationCause.Value(f"ESCALATION_CAUSE_{text}")


def label_text(number: decision_pb2.DecisionLabel.ValueType) -> str:
    """Such as `APPROVE`."""
    return enum_text(decision_pb2.DecisionLabel, "DECISION_LABEL_", number)


def label_number(text: str) -> decision_pb2.DecisionLabel.ValueType:
    """From such as `APPROVE`."""
    number: decision_pb2.DecisionLabel.ValueType = enum_number(
        decision_pb2.DecisionLabel, "DECISION_LABEL_", text
    )
    return number


def rule_text(number: decision_pb2.DecisionRule.ValueType) -> str:
    """Such as `SECURITY_VETO`."""
    return enum_text(decision_pb2.DecisionRule, "DECISION_RULE_", number)


def rule_number(text: str) -> decision_pb2.DecisionRule.ValueType:
    """From such as `SECURITY_VETO`."""
    number: decision_pb2.DecisionRule.ValueType = enum_number(
        decision_pb2.DecisionRule, "DECISION_RULE_", text
    )
    return number


def reason_text(number: errors_pb2.ErrorReason.ValueType) -> str:
    """Such as `LLM_TIMEOUT`."""
    return enum_text(errors_pb2.ErrorReason, "ERROR_REASON_", number)


def reason_number(text: str) -> errors_pb2.ErrorReason.ValueType:
    """From such as `LLM_TIMEOUT`."""
    number: errors_pb2.ErrorReason.ValueType = enum_number(errors_pb2.ErrorReason, "ERROR_REASON_", text)
    return number


def attempt_state_text(number: attempt_pb2.AttemptState.ValueType) -> str:
    """Such as `STARTED`."""
    return enum_text(attempt_pb2.AttemptState, "ATTEMPT_STATE_", number)


def attempt_state_number(text: str) -> attempt_pb2.AttemptState.ValueType:
    """From such as `STARTED`."""
    number: attempt_pb2.AttemptState.ValueType = enum_number(attempt_pb2.AttemptState, "ATTEMPT_STATE_", text)
    return number


def suspicion_text(number: suspicion_pb2.SuspicionKind.ValueType) -> str:
    """Such as `OVERRIDE`."""
    return enum_text(suspicion_pb2.SuspicionKind, "SUSPICION_KIND_", number)


def suspicion_number(text: str) -> suspicion_pb2.SuspicionKind.ValueType:
    """From such as `OVERRIDE`."""
    number: suspicion_pb2.SuspicionKind.ValueType = enum_number(
        suspicion_pb2.SuspicionKind, "SUSPICION_KIND_", text
    )
    return number
