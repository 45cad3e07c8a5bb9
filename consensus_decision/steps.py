"""The steps of a decision, each with its numbers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from consensus.v1 import decision_pb2
from consensus_decision.labels import Label, label_name


class StepName(StrEnum):
    """The steps, in the order in which they are taken."""

    WEIGHING = "weighing"
    """The weighted mean of the scores."""
    POSTERIOR = "posterior"
    """The probability of each label, where the policy was fitted."""
    LABEL = "label"
    """The label by thresholds; whatever follows only lowers it."""
    EXPECTED_LOSS = "expected_loss"
    """Or the label that is expected to cost least."""
    VETO = "veto"
    BLOCKING_WEIGHT = "blocking_weight"
    REQUIRED_PERSONA_MISSING = "required_persona_missing"
    FRESH_WEIGHT = "fresh_weight"
    SUSPECTED_INJECTION = "suspected_injection"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found, before it is known what it changes: a sentence for people, and the numbers behind
    it.
    """

    step: StepName
    explanation: str
    data: Mapping[str, str]
    at_most: Label | None = None
    """The best label that it leaves; absent for what lowers nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether its condition held, and the label after it (absent before there is one)."""

    name: StepName
    fired: bool
    label: Label | None
    explanation: str
    data: Mapping[str, str] = field(default_factory=dict)


RULES: Mapping[StepName, decision_pb2.DecisionRule.ValueType] = {
    StepName.LABEL: decision_pb2.DECISION_RULE_CONFIDENCE_THRESHOLD,
    StepName.EXPECTED_LOSS: decision_pb2.DECISION_RULE_EXPECTED_LOSS,
    StepName.VETO: decision_pb2.DECISION_RULE_SECURITY_VETO,
    StepName.BLOCKING_WEIGHT: decision_pb2.DECISION_RULE_BLOCKING_WEIGHT,
    StepName.REQUIRED_PERSONA_MISSING: decision_pb2.DECISION_RULE_REQUIRED_PERSONA_MISSING,
    StepName.FRESH_WEIGHT: decision_pb2.DECISION_RULE_FRESH_WEIGHT,
    StepName.SUSPECTED_INJECTION: decision_pb2.DECISION_RULE_SUSPECTED_INJECTION,
}
"""The steps that a decision names among its fired rules, as the contract calls them."""


def lowered(label: Label, finding: Finding) -> Step:
    """The step that a finding which lowers makes of the label before it."""
    if finding.at_most is None or label >= finding.at_most:  # approve 1, revise 2, reject 3
        effect, after = f" The decision is {label_name(label)} already.", label
    else:
        effect = f" This lowers {label_name(label)} to {label_name(finding.at_most)}."
        after = finding.at_most
    return Step(finding.step, True, after, finding.explanation + effect, finding.data)


def fired_rules(steps: Sequence[Step]) -> list[decision_pb2.FiredRule]:
    """The rules whose condition held, as messages, in the order in which they were applied."""
    return [
        decision_pb2.FiredRule(rule=RULES[step.name], explanation=step.explanation, data=step.data)
        for step in steps
        if step.fired and step.name in RULES
    ]
