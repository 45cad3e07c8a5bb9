"""What stands at the top of a run's HTML file: what was decided, on what scale, when, by whom."""

from consensus.v1 import run_pb2
from consensus_cli.view.run import resume_words, state
from consensus_report.html.decision import scale, verdicts
from consensus_report.html.markup import Child, Markup, element
from consensus_report.html.parts import badge
from consensus_report.html.people import together
from consensus_report.labels import label_word
from consensus_report.provenance import about_line
from consensus_report.suspicion import suspicion_words
from consensus_report.turnout import panel_words


def verdict(run: run_pb2.Run) -> str:
    """The decision's label, or where a run without one stands."""
    return label_word(run.decision.label) if run.HasField("decision") else state(run).upper()


def header(run: run_pb2.Run, title: str) -> Markup:
    """The verdict and what it rests on."""
    parts: list[Child] = [
        element("p", "Consensus review", class_="kind"),
        element("h1", title),
        element("p", about_line(run), class_="kind"),
        verdicts(run) or [together(run), element("p", badge(verdict(run)))],
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
