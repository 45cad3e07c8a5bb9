"""A run as Markdown; a run's own text is escaped, so that it shows as it stands."""

import re
from collections.abc import Iterable, Iterator, Sequence

from consensus.v1 import attempt_pb2, review_service_pb2, run_pb2
from consensus_cli.report.header import verdict
from consensus_cli.view.assessment import assessment_sentences
from consensus_cli.view.cost import cost_of
from consensus_cli.view.people import together_line
from consensus_cli.view.progress import label
from consensus_cli.view.run import (
    dropped_words,
    facts,
    failure_lines,
    proposal_sections,
    resume_words,
    review_sections,
)
from consensus_report import text
from consensus_report.changes import changed_sections, decision_line, persona_rows, reason_lines
from consensus_report.findings import findings
from consensus_report.labels import label_word, override_words, reason
from consensus_report.lowering import lowered_words
from consensus_report.people import NOT_COUNTED, human_sections, person, together_words
from consensus_report.provenance import about_line
from consensus_report.quotations import Places
from consensus_report.sections import stale_words
from consensus_report.subject import shown_words, subject_sections, subject_title
from consensus_report.suspicion import suspicion_words
from consensus_report.turnout import panel_words, persona_lines

_BAR_CELLS = 20
_SPECIAL = re.compile(r"([\\`*_\[\]<>|&~$])")
_AT_START = re.compile(r"^(\s*)([#+=-])|^(\s*\d+)([.)])(?=\s|$)")


def markdown_report(
    run: run_pb2.Run,
    attempts: Sequence[attempt_pb2.Attempt],
    change: review_service_pb2.DiffRunsResponse | None = None,
) -> str:
    """The whole document; `change` is what a revision changed about its parent."""
    return "\n".join(map(text.visible, _lines(run, attempts, change))) + "\n"


def escape(words: str) -> str:
    """One line of a run's text, so that Markdown shows it as it stands."""
    return _AT_START.sub(r"\1\3\\\2\4", _SPECIAL.sub(r"\\\1", text.clean(words)))


def _lines(
    run: run_pb2.Run,
    attempts: Sequence[attempt_pb2.Attempt],
    change: review_service_pb2.DiffRunsResponse | None,
) -> Iterator[str]:
    yield f"# {escape(subject_title(run)) or f'Run {run.run_id}'}"
    yield from ("", escape(about_line(run)), "")
    yield from _outcome(run)
    if suspected := suspicion_words(run.suspicions):
        yield from ("", f"**{escape(suspected)}**")
    if change is not None:
        yield from _change(run, change)
    if run.persona_reviews:
        yield from _reviews(run)
    if run.human_reviews:
        yield from _people(run)
    if run.HasField("proposal"):
        yield from _heading("Proposal")
        for name, lines in proposal_sections(run.proposal):
            yield from ("", f"### {name}", "", *_paragraphs(lines))
    for name, lines in subject_sections(run):
        yield from _heading(name)
        yield from _outline(lines) if name == "Document" else _paragraphs(lines)
    yield from _facts(run, attempts)


def _outcome(run: run_pb2.Run) -> Iterator[str]:
    if not run.HasField("decision"):
        yield f"**{verdict(run)}**, {escape(panel_words(run.turnout, run.decision))}"
        if run.HasField("failure"):
            yield from ("", *_items((*failure_lines(run.failure), resume_words(run))))
        return
    decision = run.decision
    if run.HasField("effective_override"):
        said = run.effective_override
        yield from (f"**{label_word(said.label)}**, {escape(override_words(said))}", "")
    yield from _together(run)
    panel = escape(panel_words(run.turnout, decision))
    yield f"**{verdict(run)}**, confidence {text.score(decision.overall_weighted_confidence)}, {panel}"
    for words in lowered_words(decision):
        yield from ("", f"**{escape(words)}**")
    yield from ("", *_items(text.sentence(rule.explanation) for rule in decision.fired_rules))
    if found := findings(run):
        yield from (*_heading(found.heading), *_items(each.line() for each in found.all))
    yield from _scores(run)
    if run.HasField("assessment"):
        yield from (*_heading("How sure"), *_items(assessment_sentences(run.assessment)))
    if decision.minority_reports:
        yield from _heading("Minority reports")
        for report in decision.minority_reports:
            name = f"**{escape(report.persona_name)}** ({text.score(report.confidence_score)})"
            yield f"- {name}, way out: {escape(report.mitigation_recommendation)}"
    if decision.decision_notes:
        yield from (*_heading("Note"), *_paragraphs(text.clean_lines(decision.decision_notes)))


def _together(run: run_pb2.Run) -> Iterator[str]:
    """The decision with people counted in, or that they do not count; nothing without any."""
    if run.HasField("decision_with_humans"):
        yield f"**{escape(together_line(run))}**, {escape(together_words(run))}"
        yield from (
            "",
            *_items(text.sentence(rule.explanation) for rule in run.decision_with_humans.fired_rules),
            "",
        )
    elif run.human_reviews:
        yield from (escape(NOT_COUNTED), "")


def _people(run: run_pb2.Run) -> Iterator[str]:
    yield from _heading("Reviews by people")
    for review in run.human_reviews:
        yield from ("", f"### {escape(person(review))}: {text.score(review.confidence_score)}")
        for name, lines in human_sections(review):
            yield from ("", f"**{name}**", "", *_items(lines))


def _change(run: run_pb2.Run, change: review_service_pb2.DiffRunsResponse) -> Iterator[str]:
    yield from _heading("What changed")
    yield f"Against run `{run.parent_run_id}`: **{escape(decision_line(change.decision))}**"
    yield from ("", *_items(reason_lines(change)))
    if run.specification.revision.edit_notes:
        yield from ("", "### Edit notes", "")
        yield from _paragraphs(text.clean_lines(run.specification.revision.edit_notes))
    yield from (
        "",
        "| persona | before | after | delta | adds | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    )
    for name, *numbers, notes in persona_rows(change):
        yield f"| {' | '.join((escape(name), *numbers, escape(notes)))} |"
    for name, became, lines in changed_sections(change):
        # Indented, so that no line of a run's text can end the block.
        yield from ("", f"### {escape(name)} ({became})", "", *(f"    {line}" for line in lines))


def _scores(run: run_pb2.Run) -> Iterator[str]:
    yield from _heading("Scores")
    yield "| persona | | score | weight | contribution |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for each in run.decision.contributions:
        full = int(each.confidence_score * _BAR_CELLS)
        bar = "█" * full + "░" * (_BAR_CELLS - full)
        numbers = [text.score(n) for n in (each.confidence_score, each.weight, each.contribution)]
        yield f"| {escape(text.persona_name(each.persona_id))} | {bar} | {' | '.join(numbers)} |"
    for missing in run.decision.completeness.missing_personas:
        name = escape(text.persona_name(missing.persona_id))
        yield f"| {name} | no review: {escape(reason(missing.reason))} | | | |"


def _reviews(run: run_pb2.Run) -> Iterator[str]:
    yield from _heading("Reviews")
    places = Places(run.specification)
    for review in run.persona_reviews:
        yield from ("", f"### {escape(review.persona_name)}: {text.score(review.confidence_score)}")
        if review.reused_from_run_id:
            yield from ("", f"Carried over from run `{review.reused_from_run_id}`.")
        if review.stale_sections:
            yield from ("", f"**{escape(stale_words(review.stale_sections))}**")
        if shown := shown_words(review):
            yield from ("", escape(shown))
        for name, items in review_sections(review, places):
            yield from ("", f"**{name}**", "")
            for item in items:
                yield f"- {escape(item.words)}"
                yield from (f"  - {escape(line)}" for line in item.quotations)
        yield from ("", f"Effort: {escape(review.estimated_effort)}")
        if dropped := dropped_words(review):
            yield from ("", escape(dropped))


def _facts(run: run_pb2.Run, attempts: Sequence[attempt_pb2.Attempt]) -> Iterator[str]:
    yield from _heading("Run")
    yield from ("| | |", "| --- | --- |")
    yield from (f"| {name} | {escape(value)} |" for name, value in facts(run) if value)
    yield from ("", "| step | state | attempts |", "| --- | --- | ---: |")
    for step in run.steps:
        state = text.word(run_pb2.StepState, step.state, "STEP_STATE_")
        yield f"| {escape(label(step.name))} | {state} | {step.attempt_count or ''} |"
    yield from ("", "### Panel", "", *_items(persona_lines(run.turnout)))
    if attempts:
        yield from ("", cost_of(attempts).sentence())


def _heading(name: str) -> tuple[str, str, str]:
    return ("", f"## {name}", "")


def _items(lines: Iterable[str]) -> Iterator[str]:
    return (f"- {escape(line)}" for line in lines)


def _outline(lines: Sequence[str]) -> Iterator[str]:
    """What the document is, then its sections as a list of lists."""
    yield from (escape(lines[0]), "")
    for line in lines[1:]:
        depth = (len(line) - len(line.lstrip())) // 2
        yield f"{'  ' * depth}- {escape(line)}"


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """A list's lines stay a list; others become paragraphs."""
    for line in lines:
        if line.startswith("- "):
            yield f"- {escape(line.removeprefix('- '))}"
        elif line:
            yield from (escape(line), "")
