"""How a run ended, as blocks of text: pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from consensus.v1 import decision_pb2, run_pb2
from consensus_report import text
from consensus_report.labels import label_word, override_words, reason
from consensus_report.turnout import panel_words

COLOURS = {
    decision_pb2.DECISION_LABEL_APPROVE: "green",
    decision_pb2.DECISION_LABEL_REVISE: "yellow",
    decision_pb2.DECISION_LABEL_REJECT: "red",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph: how far it is indented (columns), what it says, and its style on a terminal.

    One that `is_command` is never broken into lines, so that it can be copied whole.
    """

    indent: int
    text: str
    style: str = ""
    is_command: bool = False


def override_blocks(override: decision_pb2.DecisionOverride) -> Iterator[Block]:
    """The label that holds, and whose word it is."""
    yield Block(0, label_word(override.label), f"bold {COLOURS.get(override.label, 'bold')}")
    yield Block(2, override_words(override))


class Dissent(Enum):
    """What is told of those who dissent."""

    WHOLE = "whole"
    WAY_OUT = "what they advise; what they object to is told elsewhere"
    NAMES = "who they are; their reviews are told elsewhere"


def decision_blocks(
    decision: decision_pb2.Decision, turnout: run_pb2.PanelTurnout, dissent: Dissent = Dissent.WHOLE
) -> Iterator[Block]:
    """The verdict, what of the panel it rests on, the rules that led to it, who is missing, who dissents."""
    confidence = text.score(decision.overall_weighted_confidence)
    colour = COLOURS.get(decision.label, "bold")
    yield Block(0, f"{label_word(decision.label)}  confidence {confidence}", f"bold {colour}")
    yield Block(2, panel_words(turnout, decision))
    for rule in decision.fired_rules:
        yield Block(2, f"- {text.sentence(rule.explanation)}")
    for missing in decision.completeness.missing_personas:
        yield Block(2, f"- without {text.persona_name(missing.persona_id)}: {reason(missing.reason)}")
    yield from _dissent_blocks(decision, dissent)
    if decision.decision_notes:
        yield Block(0, f"Note: {text.clean(decision.decision_notes)}")


def _dissent_blocks(decision: decision_pb2.Decision, dissent: Dissent) -> Iterator[Block]:
    named = [(report, dissenter(report)) for report in decision.minority_reports]
    if named and dissent is Dissent.NAMES:
        yield Block(2, f"- dissenting: {', '.join(name for _, name in named)}")
        return
    if named:
        yield Block(0, "Minority reports", "bold")
    for report, name in named:
        advice = text.clean(report.mitigation_recommendation)
        if dissent is Dissent.WAY_OUT:
            yield Block(2, f"{name}: {advice}")
            continue
        yield Block(2, f"{name}: {text.clean(report.blocking_summary)}")
        yield Block(4, advice, "dim")


def dissenter(report: decision_pb2.MinorityReport) -> str:
    """`SecurityGuardian (0.05)`."""
    return f"{text.clean(report.persona_name)} ({text.score(report.confidence_score)})"
