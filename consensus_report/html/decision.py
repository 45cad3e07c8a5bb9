"""What was decided: whose label holds, the confidence on its scale, the reasons, and who saw it otherwise."""

from collections.abc import Iterator

from consensus.v1 import decision_pb2, run_pb2
from consensus_report import text
from consensus_report.html.markup import Child, Markup, element
from consensus_report.html.parts import aside, badge, items, section
from consensus_report.html.people import together
from consensus_report.labels import label_word, override_words
from consensus_report.lowering import lowered_words, thresholds

_LEVELS = {
    decision_pb2.DECISION_LABEL_APPROVE: "high",
    decision_pb2.DECISION_LABEL_REVISE: "middle",
    decision_pb2.DECISION_LABEL_REJECT: "low",
}


def verdicts(run: run_pb2.Run) -> Child:
    """The label that holds where a person gave one, that with people, and the panel's; none without any."""
    if not run.HasField("decision"):
        return None
    confidence = text.score(run.decision.overall_weighted_confidence)
    panels = badge(label_word(run.decision.label))
    told = element("span", f"confidence {confidence}", class_="confidence")
    return [_override(run), together(run), element("p", panels, told)]


def _override(run: run_pb2.Run) -> Child:
    if not run.HasField("effective_override"):
        return None
    said = run.effective_override
    return element("p", badge(label_word(said.label)), f" {override_words(said)}")


def scale(decision: decision_pb2.Decision) -> Markup:
    """The confidence between the policy's thresholds, in the decision's colour.

    What of it lies beyond the decision's own zone, since something lowered that, is barred, and a line says
    what it was. It is drawn without inline style, which the page's policy forbids.
    """
    found = thresholds(decision)
    marks = (
        [] if found is None else [element("rect", x=_percent(at), width="2", class_="mark") for at in found]
    )
    drawn = element("svg", list(_fill(decision, found)), marks, class_="scale", aria_hidden="true")
    return element(
        "div",
        drawn,
        None if found is None else _legend(*found),
        [element("p", words, class_="lowered") for words in lowered_words(decision)],
    )


def reasons(decision: decision_pb2.Decision) -> Markup:
    """The rules that led to it."""
    return items(text.sentence(rule.explanation) for rule in decision.fired_rules)


def dissent(decision: decision_pb2.Decision) -> Child:
    """Who saw it otherwise, and the way out that each names; nothing where nobody did."""
    if not decision.minority_reports:
        return None
    reports = [
        element(
            "article",
            element("h3", text.clean(report.persona_name), aside(text.score(report.confidence_score))),
            element("p", element("strong", "Way out: "), text.clean(report.mitigation_recommendation)),
        )
        for report in decision.minority_reports
    ]
    return section("Minority reports", reports)


def _fill(decision: decision_pb2.Decision, found: tuple[float, float] | None) -> Iterator[Markup]:
    confidence, level = decision.overall_weighted_confidence, _LEVELS.get(decision.label, "")
    end = confidence if found is None else min(confidence, _end_of_zone(decision.label, *found))
    yield element("rect", width=_percent(end), class_=f"fill {level}".strip())
    if end < confidence:
        ends = {"x1": _percent(end), "x2": _percent(confidence)}
        yield element("line", y1="50%", y2="50%", class_="barred", **ends)


def _end_of_zone(label: decision_pb2.DecisionLabel.ValueType, revise: float, approve: float) -> float:
    """Where the scores end that make this label by themselves."""
    zones = {decision_pb2.DECISION_LABEL_REJECT: revise, decision_pb2.DECISION_LABEL_REVISE: approve}
    return zones.get(label, 1.0)


def _legend(revise: float, approve: float) -> Markup:
    return element(
        "p",
        element("span", f"reject below {text.score(revise)}"),
        element("span", f"revise from {text.score(revise)}"),
        element("span", f"approve from {text.score(approve)}"),
        class_="legend",
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
