"""What came between a decision's confidence and its label: pure."""

from collections.abc import Iterator

from consensus.v1 import decision_pb2
from consensus_report import text
from consensus_report.labels import label_word

_LOWERING = {
    decision_pb2.DECISION_RULE_SECURITY_VETO: "a veto",
    decision_pb2.DECISION_RULE_BLOCKING_WEIGHT: "the weight of those who block",
    decision_pb2.DECISION_RULE_REQUIRED_PERSONA_MISSING: "a required persona that is missing",
    decision_pb2.DECISION_RULE_FRESH_WEIGHT: "too little that read this very text",
    decision_pb2.DECISION_RULE_SUSPECTED_INJECTION: "a suspected injection",
}


def thresholds(decision: decision_pb2.Decision) -> tuple[float, float] | None:
    """From where the confidence makes a revision and an approval; None where no thresholds decided."""
    for rule in decision.fired_rules:
        if rule.rule == decision_pb2.DECISION_RULE_CONFIDENCE_THRESHOLD:
            try:
                return float(rule.data["revise_threshold"]), float(rule.data["approve_threshold"])
            except (KeyError, ValueError):
                return None
    return None


def lowered_words(decision: decision_pb2.Decision) -> Iterator[str]:
    """`APPROVE by the confidence alone; REVISE because of a veto (Critic).`, for all that had a say.

    Also where a rule fired that found the label as low already.
    """
    first, *others = decision.fired_rules or [decision_pb2.FiredRule()]
    causes = ", ".join(_cause(rule) for rule in (first, *others) if rule.rule in _LOWERING)
    if not causes:
        return
    alone = text.clean(first.data.get("label", "")).upper()
    label = label_word(decision.label)
    if alone and alone != label:
        yield f"{alone} by the confidence alone; {label} because of {causes}."
    else:
        yield f"Also against an approval: {causes}."


def _cause(rule: decision_pb2.FiredRule) -> str:
    persona_id = rule.data.get("persona_id", "")
    who = f" ({text.persona_name(persona_id)})" if persona_id else ""
    return f"{_LOWERING[rule.rule]}{who}"
