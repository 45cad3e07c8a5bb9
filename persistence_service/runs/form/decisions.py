"""Decisions and failures of runs, between the wire and their rows. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from consensus.v1 import decision_pb2, run_pb2
from consensus_journal import canonical_json
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import names
from persistence_service.runs.form.payloads import Payload, payload_of
from persistence_service.runs.form.scores import found_score, score_columns, stored_score
from persistence_service.schema.scalars import storable_json, ten_thousandths

_SCORES = ("weight", "confidence_score", "contribution")
_EVIDENCE = ("cause", "provider_code", "provider_param")
_MINORITY_TEXTS = ("persona_id", "persona_name", "blocking_summary", "mitigation_recommendation")
_MINORITY_LISTS = ("strengths", "concerns")


def decision_payload(decision: decision_pb2.Decision) -> Payload:
    """The row of a decision.

    Raises:
        InvalidField: for what the tables cannot hold exactly, for no label, and for a note: notes are set
            afterwards.
    """
    if decision.decision_notes:
        raise InvalidField(field="decision.decision_notes", description="is empty in a decision's event")
    if not decision.label:
        raise InvalidField(field="decision.label", description="is one of the labels")
    return payload_of(decision_columns(decision), "decision")


def decision_columns(decision: decision_pb2.Decision) -> Columns:
    """A decision as JSON data.

    Raises:
        InvalidField: for what the tables cannot hold exactly.
    """
    confidence = decision.overall_weighted_confidence
    return {
        "label": names.label_text(decision.label),
        "confidence": ten_thousandths(confidence, "decision.overall_weighted_confidence"),
        "policy_version": decision.policy_version,
        "content": _content(decision),
    }


def decision_message(row: Mapping[Any, Any]) -> decision_pb2.Decision:
    """The decision that a row was made of."""
    content = row["content"]
    decision = decision_pb2.Decision(
        label=names.label_number(row["label"]),
        overall_weighted_confidence=row["confidence"] / 10_000,
        policy_version=row["policy_version"],
        policy=content.get("policy", ""),
        contributions=[_contribution_message(columns) for columns in content["contributions"]],
        fired_rules=[_rule_message(columns) for columns in content["fired_rules"]],
        minority_reports=[_minority_message(columns) for columns in content["minority_reports"]],
    )
    if (completeness := content.get("completeness")) is not None:
        decision.completeness.CopyFrom(_completeness_message(completeness))
    note_fresh_weight(decision, content)
    return decision


def note_fresh_weight(decision: decision_pb2.Decision, stored: Mapping[str, Any]) -> None:
    """Sets the share of the panel that read the text, where what is stored of the decision says it."""
    if (weight := found_score(stored, "fresh_weight")) is not None:
        decision.fresh_weight = weight


def _content(decision: decision_pb2.Decision) -> Columns:
    content: Columns = {
        "contributions": [_contribution(contribution) for contribution in decision.contributions],
        "fired_rules": [_rule(rule) for rule in decision.fired_rules],
        "minority_reports": [_minority(report) for report in decision.minority_reports],
    }
    if decision.HasField("completeness"):
        content["completeness"] = _completeness(decision.completeness)
    if decision.policy:  # what is empty is not stored, as before it was known
        content["policy"] = decision.policy
    if decision.HasField("fresh_weight"):
        content |= score_columns(decision, ("fresh_weight",), "decision")
    return content


def _contribution(contribution: decision_pb2.PersonaContribution) -> Columns:
    said = score_columns(contribution, _SCORES, "decision.contributions")
    return {"persona_id": contribution.persona_id, **said}


def _contribution_message(columns: Columns) -> decision_pb2.PersonaContribution:
    scores = {name: stored_score(columns, name) for name in _SCORES}
    return decision_pb2.PersonaContribution(persona_id=columns["persona_id"], **scores)


def _rule(rule: decision_pb2.FiredRule) -> Columns:
    return {"rule": names.rule_text(rule.rule), "explanation": rule.explanation, "data": dict(rule.data)}


def _rule_message(columns: Columns) -> decision_pb2.FiredRule:
    rule = names.rule_number(columns["rule"])
    return decision_pb2.FiredRule(rule=rule, explanation=columns["explanation"], data=columns["data"])


def _minority(report: decision_pb2.MinorityReport) -> Columns:
    columns: Columns = {name: getattr(report, name) for name in _MINORITY_TEXTS}
    columns |= {name: list(getattr(report, name)) for name in _MINORITY_LISTS}
    return columns | score_columns(report, ("confidence_score",), "decision.minority_reports")


def _minority_message(columns: Columns) -> decision_pb2.MinorityReport:
    said = {name: columns[name] for name in (*_MINORITY_TEXTS, *_MINORITY_LISTS)}
    return decision_pb2.MinorityReport(**said, confidence_score=stored_score(columns, "confidence_score"))


def _completeness(completeness: decision_pb2.Completeness) -> Columns:
    return {
        "is_complete": completeness.complete,
        "expected_count": completeness.expected_count,
        "present_count": completeness.present_count,
        "missing_personas": [_reason(each) for each in completeness.missing_personas],
    }


def _completeness_message(columns: Columns) -> decision_pb2.Completeness:
    missing = [
        decision_pb2.MissingPersona(
            persona_id=entry["persona_id"], reason=names.reason_number(entry["reason"])
        )
        for entry in columns["missing_personas"]
    ]
    return decision_pb2.Completeness(
        complete=columns["is_complete"],
        expected_count=columns["expected_count"],
        present_count=columns["present_count"],
        missing_personas=missing,
    )


def _reason(entry: decision_pb2.MissingPersona | run_pb2.PersonaFailure) -> Columns:
    return {"persona_id": entry.persona_id, "reason": names.reason_text(entry.reason)}


def run_failure_columns(failure: run_pb2.RunFailure) -> Columns:
    """A run's failure as JSON data.

    Raises:
        InvalidField: for the character NUL.
    """
    columns: Columns = {
        "reason": names.reason_text(failure.reason),
        "message": failure.message,
        "failed_step": failure.failed_step,
        "resumable": failure.resumable,
        "finished_personas": list(failure.finished_personas),
        "persona_failures": [
            {**_reason(each), **({"cause": each.cause} if each.cause else {})}
            for each in failure.persona_failures
        ],
        "output_violations": _violations(failure.output_violations),
        **_evidence(failure),
    }
    storable_json(columns, canonical_json(columns), "failure")
    return columns


def run_failure_message(columns: Columns) -> run_pb2.RunFailure:
    """The failure that the data was made of."""
    failures = [
        run_pb2.PersonaFailure(
            persona_id=entry["persona_id"],
            reason=names.reason_number(entry["reason"]),
            cause=entry.get("cause", ""),
        )
        for entry in columns["persona_failures"]
    ]
    return run_pb2.RunFailure(
        reason=names.reason_number(columns["reason"]),
        message=columns["message"],
        failed_step=columns["failed_step"],
        resumable=columns["resumable"],
        finished_personas=columns["finished_personas"],
        persona_failures=failures,
        output_violations=[run_pb2.OutputViolation(**entry) for entry in columns["output_violations"]],
        **_evidence_of(columns),
    )


def step_failure_columns(failure: run_pb2.StepFailure) -> Columns:
    """A step's failure as JSON data.

    Raises:
        InvalidField: for the character NUL.
    """
    columns: Columns = {
        "reason": names.reason_text(failure.reason),
        "message": failure.message,
        "output_violations": _violations(failure.output_violations),
        **_evidence(failure),
    }
    storable_json(columns, canonical_json(columns), "failure")
    return columns


def step_failure_message(columns: Columns) -> run_pb2.StepFailure:
    """The failure that the data was made of."""
    return run_pb2.StepFailure(
        reason=names.reason_number(columns["reason"]),
        message=columns["message"],
        output_violations=[run_pb2.OutputViolation(**entry) for entry in columns["output_violations"]],
        **_evidence_of(columns),
    )


def _evidence(failure: run_pb2.RunFailure | run_pb2.StepFailure) -> Columns:
    """What was said of the failure; what is empty is not stored, as before it was known."""
    return {name: said for name in _EVIDENCE if (said := getattr(failure, name))}


def _evidence_of(columns: Columns) -> Columns:
    return {name: columns[name] for name in _EVIDENCE if name in columns}


def _violations(violations: Iterable[run_pb2.OutputViolation]) -> list[Columns]:
    return [{"field": violation.field, "description": violation.description} for violation in violations]
