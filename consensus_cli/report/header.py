"""What stands at the top of a run's HTML file: what was decided, on what scale, when, by whom."""

from collections.abc import Iterator

from consensus.v1 import decision_pb2, run_pb2
from consensus_cli.report.markup import Child, Markup, element
from consensus_cli.report.people import together
from consensus_cli.view import text
from consensus_cli.view.lowering import lowered_words, thresholds
from consensus_cli.view.outcome import label_word, override_words
from consensus_cli.view.provenance import about_line
from consensus_cli.view.run import resume_words, state
from consensus_cli.view.suspicion import suspicion_words
from consensus_cli.view.turnout import panel_words

_LEVELS = {
    decision_pb2.DECISION_LABEL_APPROVE: "high",
    decision_pb2.DECISION_LABEL_REVISE: "middle",
    decision_pb2.DECISION_LABEL_REJECT: "low",
}


def verdict(run: run_pb2.Run) -> str:
    """The decision's label, or where a run without one stands."""
    return label_word(run.decision.label) if run.HasField("decision") else state(run).upper()


def header(run: run_pb2.Run, title: str) -> Markup:
    """The verdict and what it rests on."""
    word = verdict(run)
    parts: list[Child] = [
        element("p", "Consensus review", class_="kind"),
        element("h1", title),
        element("p", about_line(run), class_="kind"),
        _override(run),
        together(run),
        element("p", element("span", word, class_=f"verdict {word.lower()}"), _confidence(run)),
        element("p", panel_words(run.turnout, run.decision), class_="kind"),
    ]
    if suspected := suspicion_words(run.suspicions):
        parts.append(element("p", suspected, class_="suspected"))
    if run.HasField("failure"):
        parts.append(element("p", "No decision was reached. ", _command(resume_words(run))))
    if run.HasField("decision"):
        parts.append(scale(run.decision))
    return element("header", parts)


def _command(words: str) -> Child:
    """`consensus …` of a sentence as what can be typed."""
    before, _, command = words.partition("consensus ")
    return [before, element("code", f"consensus {command}")] if command else words


def _override(run: run_pb2.Run) -> Child:
    if not run.HasField("effective_override"):
        return None
    said = run.effective_override
    word = label_word(said.label)
    return element("p", element("span", word, class_=f"verdict {word.lower()}"), f" {override_words(said)}")


def _confidence(run: run_pb2.Run) -> Child:
    if not run.HasField("decision"):
        return None
    return element(
        "span", f"confidence {text.score(run.decision.overall_weighted_confidence)}", class_="confidence"
    )


def scale(decision: decision_pb2.Decision) -> Markup:
    """The confidence between the policy's thresholds, in the decision's colour.

    What of it lies beyond the decision's own zone, since something lowered that, is hatched, and a line says
    what it was.
    """
    found = thresholds(decision)
    marks = (
        [] if found is None else [element("i", style=f"left:{_percent(at)}", class_="mark") for at in found]
    )
    return element(
        "div",
        element("div", list(_fill(decision, found)), marks, class_="bar wide", aria_hidden="true"),
        None if found is None else _legend(*found),
        [element("p", words, class_="lowered") for words in lowered_words(decision)],
    )


def _fill(decision: decision_pb2.Decision, found: tuple[float, float] | None) -> Iterator[Markup]:
    confidence, level = decision.overall_weighted_confidence, _LEVELS.get(decision.label, "")
    end = confidence if found is None else min(confidence, _end_of_zone(decision.label, *found))
    yield element("b", style=f"width:{_percent(end)}", class_=f"fill {level}".strip())
    if end < confidence:
        yield element("b", style=f"width:{_percent(confidence - end)}", class_=f"fill barred {level}".strip())


def _end_of_zone(label: decision_pb2.DecisionLabel.ValueType, revise: float, approve: float) -> float:
    """Where the scores end that make this label by themselves."""
    zones = {decision_pb2.DECISION_LABEL_REJECT: revise, decision_pb2.DECISION_LABEL_REVISE: approve}
    return zones.get(label, 1.0)


def _legend(revise: float, approve: float) -> Markup:
    return element(
        "p",
        element("span", "reject", style=f"width:{_percent(revise)}"),
        element("span", f"revise from {text.score(revise)}", style=f"width:{_percent(approve - revise)}"),
        element("span", f"approve from {text.score(approve)}", style=f"width:{_percent(1 - approve)}"),
        class_="legend",
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
