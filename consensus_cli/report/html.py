"""A run as one HTML file: no scripts, nothing from elsewhere, readable in light and dark and on paper."""

from collections.abc import Iterable, Sequence
from importlib.resources import files

from consensus.v1 import attempt_pb2, panel_pb2, review_service_pb2, run_pb2
from consensus_cli.report.header import header, verdict
from consensus_cli.view.assessment import assessment_sentences
from consensus_cli.view.cost import Cost, cost_of
from consensus_cli.view.progress import label, review_words
from consensus_cli.view.run import (
    ReviewItem,
    dropped_words,
    facts,
    failure_lines,
    origin,
    proposal_sections,
    review_sections,
)
from consensus_report import text
from consensus_report.html.change import change_section
from consensus_report.html.decision import dissent, reasons
from consensus_report.html.findings import findings_section
from consensus_report.html.markup import Child, Markup, element, render
from consensus_report.html.parts import aside, items, section, table
from consensus_report.html.people import person_review
from consensus_report.labels import reason
from consensus_report.quotations import Places
from consensus_report.subject import shown_words, subject_sections, subject_title
from consensus_report.turnout import persona_lines

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_report(
    run: run_pb2.Run,
    attempts: Sequence[attempt_pb2.Attempt],
    change: review_service_pb2.DiffRunsResponse | None = None,
) -> str:
    """The whole document; `change` is what a revision changed about its parent."""
    title = subject_title(run) or f"Run {run.run_id}"
    style = Markup(
        _style("consensus_report.html", "fragments.css") + _style("consensus_cli.report", "report.css")
    )
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", f"{verdict(run)}: {title}"),
        element("style", style),
    )
    changed = change_section(run, change) if change is not None else None
    body = element("body", element("main", header(run, title), changed, list(_sections(run, attempts))))
    return f"<!doctype html>\n{render(element('html', head, body, lang='en'))}\n"


def _style(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _sections(run: run_pb2.Run, attempts: Sequence[attempt_pb2.Attempt]) -> Iterable[Child]:
    """What matters most first; what is long is folded."""
    if run.HasField("failure"):
        yield section("Why it failed", items(failure_lines(run.failure)))
    yield findings_section(run)
    if run.HasField("decision"):
        yield section("Why", reasons(run.decision))
        yield section("Scores", _scores(run))
        if run.HasField("assessment"):
            yield section("How sure", items(assessment_sentences(run.assessment)))
        yield dissent(run.decision)
        if run.decision.decision_notes:
            yield section("Note", _paragraphs(run.decision.decision_notes))
    if run.persona_reviews:
        places = Places(run.specification)
        yield section("Reviews", [_review(review, places) for review in run.persona_reviews])
    if run.human_reviews:
        yield section("Reviews by people", [person_review(review) for review in run.human_reviews])
    if run.HasField("proposal"):
        yield _folded("Proposal", _proposal(run))
    yield _folded("Panel", items(persona_lines(run.turnout)))
    for name, lines in subject_sections(run):
        yield _folded(name, _outline(lines) if name == "Document" else _lines(lines))
    yield _folded("Run", _facts(run), _steps(run), _cost(cost_of(attempts)) if attempts else None)


def _scores(run: run_pb2.Run) -> Markup:
    names = {review.persona_id: text.clean(review.persona_name) for review in run.persona_reviews}
    rows = [
        element(
            "tr",
            element("th", names.get(each.persona_id) or text.persona_name(each.persona_id), scope="row"),
            element("td", bar(each.confidence_score), class_="grow drawn"),
            element("td", text.score(each.confidence_score), class_="number"),
            element("td", text.score(each.weight), class_="number"),
            element("td", text.score(each.contribution), class_="number"),
        )
        for each in run.decision.contributions
    ]
    rows += [
        element(
            "tr",
            element("th", text.persona_name(each.persona_id), scope="row"),
            element("td", f"no review: {reason(each.reason)}", colspan="4"),
        )
        for each in run.decision.completeness.missing_personas
    ]
    return table("Scores", ("Persona", "", "Score", "Weight", "Adds"), rows)


def bar(value: float) -> Markup:
    """A score from 0 to 1 as a bar; its number stands beside it in text."""
    level = "high" if value >= 0.8 else "middle" if value >= 0.6 else "low"
    fill = element("b", style=f"width:{value * 100:.2f}%", class_=f"fill {level}")
    return element("div", fill, class_="bar", aria_hidden="true")


def _review(review: panel_pb2.PersonaReview, places: Places) -> Markup:
    made = review.provenance
    attempts = text.count(made.attempt_count, "attempt")
    made_by = f"{text.clean(made.answered_model or made.requested_model)}, {attempts}"
    name, counts = text.clean(review.persona_name), ", ".join(review_words(review))
    return element(
        "details",
        element(
            "summary",
            element("h3", name, aside(text.score(review.confidence_score))),
            bar(review.confidence_score),
            element("p", counts, class_="kind") if counts else None,
        ),
        element("p", origin(review), class_="origin stale" if review.stale_sections else "origin")
        if review.reused_from_run_id
        else None,
        [
            [element("h4", name, class_=name.lower()), element("ul", map(_item, said))]
            for name, said in review_sections(review, places)
        ],
        element("p", element("strong", "Effort: "), text.clean(review.estimated_effort)),
        element("p", made_by, class_="origin"),
        [element("p", words, class_="origin") for words in _reading(review)],
    )


def _proposal(run: run_pb2.Run) -> Iterable[Child]:
    for name, lines in proposal_sections(run.proposal):
        yield element("h3", name)
        if all(line.startswith("- ") for line in lines):
            yield items(line.removeprefix("- ") for line in lines)
        else:
            yield [element("p", line) for line in lines if line]


def _facts(run: run_pb2.Run) -> Markup:
    shown = [(name, value) for name, value in facts(run) if value]
    return element("dl", [[element("dt", name), element("dd", value)] for name, value in shown])


def _steps(run: run_pb2.Run) -> Markup:
    rows = [
        element(
            "tr",
            element("th", label(step.name), scope="row"),
            element("td", text.word(run_pb2.StepState, step.state, "STEP_STATE_")),
            element("td", str(step.attempt_count or ""), class_="number"),
            element("td", _took(step), class_="number"),
        )
        for step in run.steps
    ]
    return table("Steps", ("Step", "State", "Attempts", "Took"), rows)


def _took(step: run_pb2.Step) -> str:
    if not (step.HasField("start_time") and step.HasField("finish_time")):
        return ""
    return text.duration(text.between(step.start_time, step.finish_time))


def _cost(cost: Cost) -> Markup:
    return element("p", cost.sentence())


def _folded(name: str, *children: Child) -> Markup:
    return element("details", element("summary", element("h2", name)), children, class_="part")


def _reading(review: panel_pb2.PersonaReview) -> list[str]:
    """What a persona was shown, and what of its quotations was left out."""
    return [words for words in (shown_words(review), dropped_words(review)) if words]


def _item(item: ReviewItem) -> Markup:
    quotations = [element("blockquote", line) for line in item.quotations]
    attributes = {"class_": "unsupported"} if item.is_unsupported else {}
    return element("li", item.words, quotations, **attributes)


def _outline(lines: Sequence[str]) -> list[Markup]:
    """What the document is, then its sections."""
    return [element("p", lines[0]), element("pre", "\n".join(lines[1:]), class_="outline")]


def _lines(lines: Sequence[str]) -> list[Markup]:
    if all(line.startswith("- ") for line in lines):
        return [items(line.removeprefix("- ") for line in lines)]
    return [element("p", line) for line in lines if line]


def _paragraphs(words: str) -> list[Markup]:
    return [element("p", line) for line in text.clean_lines(words) if line]
