"""A run as it stands, as blocks of text: pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from consensus.v1 import document_pb2, panel_pb2, proposal_pb2, run_pb2
from consensus_cli.view.assessment import assessment_sentences
from consensus_cli.view.outcome import Block, Dissent, decision_blocks, override_blocks
from consensus_cli.view.people import people_blocks, together_blocks
from consensus_cli.view.progress import label
from consensus_cli.view.tables import pairs, table
from consensus_report import text
from consensus_report.entries import blocking_line, concern_line
from consensus_report.labels import reason
from consensus_report.provenance import answering_models
from consensus_report.quotations import UNSUPPORTED, UNSUPPORTED_MARK, Places
from consensus_report.sections import stale_words
from consensus_report.subject import shown_words, subject_sections
from consensus_report.suspicion import suspicion_words
from consensus_report.turnout import persona_lines, turnout_words

EntryT = TypeVar("EntryT", panel_pb2.BlockingIssue, panel_pb2.Concern)


def run_blocks(run: run_pb2.Run) -> Iterator[Block]:
    """Everything about a run: facts, what it is over, proposal, steps, reviews, its decision or failure."""
    for line in pairs(facts(run)):
        yield Block(0, line)
    for name, lines in subject_sections(run):
        yield from _section(name, lines)
    if run.specification.revision.edit_notes:
        yield from _section("Edit notes", text.clean_lines(run.specification.revision.edit_notes))
    if run.HasField("proposal"):
        yield from proposal_blocks(run.proposal)
    if run.steps:
        yield from _section("Steps", step_lines(run.steps))
    if run.HasField("turnout"):
        yield from _section("Panel", list(persona_lines(run.turnout)))
    places = Places(run.specification)
    for review in run.persona_reviews:
        yield from review_blocks(review, places)
    yield from people_blocks(run)
    yield from _ending_blocks(run)


def _ending_blocks(run: run_pb2.Run) -> Iterator[Block]:
    if run.HasField("failure"):
        yield from _failure_blocks(run)
    if run.HasField("decision"):
        yield from (Block(0, ""), *verdict_blocks(run, run.turnout, Dissent.NAMES))
    if run.HasField("assessment"):
        yield from _section("How sure", [f"- {each}" for each in assessment_sentences(run.assessment)])


def facts(run: run_pb2.Run) -> list[tuple[str, str]]:
    """Name and value of what identifies a run and says how it was made; empty values where there are none."""
    specification = run.specification
    times = [(name, getattr(run, f"{name}_time")) for name in ("create", "start", "finish")]
    took = text.between(run.create_time, run.finish_time) if run.HasField("finish_time") else None
    return [
        ("run", run.run_id),
        ("state", state(run)),
        ("type", text.word(run_pb2.RunType, run.type, "RUN_TYPE_")),
        ("revises", run.parent_run_id),
        ("suspicion", suspicion_words(run.suspicions)),
        *[
            (f"{name}d" if name == "create" else f"{name}ed", text.instant(at))
            for name, at in times
            if at.seconds
        ],
        ("deleted", text.instant(run.delete_time) if run.HasField("delete_time") else ""),
        ("deletion", run.deletion_id),
        ("purged after", text.instant(run.purge_time) if run.HasField("purge_time") else ""),
        ("took", "" if took is None else text.duration(took)),
        ("caller", text.clean(run.caller)),
        ("user", text.clean(specification.user)),
        ("panel", _panel(specification)),
        ("expanded by", model(specification.expand_model, _given(specification, "expand_temperature"))),
        ("reviewed by", model(specification.review_model, _given(specification, "review_temperature"))),
        ("answered by", _answered(run)),
        ("resumed", str(run.resume_count or "")),
        ("taken over", str(run.take_over_count or "")),
        ("policy", _policy(specification)),
        ("templates", specification.persona_template_version),
    ]


def state(run: run_pb2.Run) -> str:
    return text.word(run_pb2.RunState, run.state, "RUN_STATE_")


def model(name: str, temperature: float | None) -> str:
    """A model and the temperature that it was sent."""
    return text.clean(name) if temperature is None else f"{text.clean(name)} at {temperature:g}"


def _answered(run: run_pb2.Run) -> str:
    """The models that wrote the reviews, where it is not simply the one that was asked."""
    models = answering_models(run)
    return "" if models == [text.clean(run.specification.review_model)] else ", ".join(models)


def _panel(specification: run_pb2.RunSpecification) -> str:
    """The panel and the beginning of the revision that it pinned; empty for the built-in one."""
    if not specification.panel_revision:
        return ""
    return f"{text.clean(specification.panel_id) or 'of the request'}@{specification.panel_revision[:12]}"


def _policy(specification: run_pb2.RunSpecification) -> str:
    """The version of the rules, and the policy that was pinned if it is not the built-in one."""
    if not specification.HasField("policy"):
        return specification.policy_version
    pinned = specification.policy
    return f"{text.clean(pinned.policy_id)}@{pinned.revision[:12]}, {specification.policy_version}"


def _given(specification: run_pb2.RunSpecification, field: str) -> float | None:
    return getattr(specification, field) if specification.HasField(field) else None  # type: ignore[arg-type]  # the names are the two temperatures


def proposal_blocks(proposal: proposal_pb2.Proposal) -> Iterator[Block]:
    yield Block(0, "")
    title = text.clean(proposal.title)
    yield Block(0, f"Proposal: {title}" if title else "Proposal", "bold")
    for name, words in proposal_sections(proposal):
        yield Block(2, name, "underline")
        for line in words:
            yield Block(4, line)


def proposal_sections(proposal: proposal_pb2.Proposal) -> list[tuple[str, list[str]]]:
    """Name and lines of each section that has any."""
    sections = [
        ("Summary", text.clean_lines(proposal.summary)),
        ("Problem", text.clean_lines(proposal.problem_statement)),
        ("Solution", text.clean_lines(proposal.proposed_solution)),
        ("Assumptions", [f"- {text.clean(each)}" for each in proposal.assumptions]),
        ("Not in scope", [f"- {text.clean(each)}" for each in proposal.scope_non_goals]),
    ]
    return [(name, lines) for name, lines in sections if lines]


def review_blocks(review: panel_pb2.PersonaReview, places: Places) -> Iterator[Block]:
    yield Block(0, "")
    name, confidence = text.clean(review.persona_name), text.score(review.confidence_score)
    yield Block(0, f"{name}  {confidence}", "bold")
    if review.reused_from_run_id:
        yield Block(2, origin(review), "yellow" if review.stale_sections else "dim")
    if shown := shown_words(review):
        yield Block(2, shown, "dim")
    for title, items in review_sections(review, places):
        yield Block(2, title, "underline")
        for item in items:
            yield Block(4, f"- {item.words}", "dim" if item.is_unsupported else "")
            for line in item.quotations:
                yield Block(8, line, "dim")
    yield Block(2, f"Effort: {text.clean(review.estimated_effort)}")
    if dropped := dropped_words(review):
        yield Block(2, dropped, "dim")


def origin(review: panel_pb2.PersonaReview) -> str:
    """Where a carried-over review comes from, and what of the proposal its persona did not read."""
    carried = f"carried over from run {review.reused_from_run_id}"
    return "; ".join(part for part in (carried, stale_words(review.stale_sections)) if part)


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What a persona says; where the text says so, a line each; whether it quotes what is not there."""

    words: str
    quotations: list[str] = field(default_factory=list)
    is_unsupported: bool = False


def dropped_words(review: panel_pb2.PersonaReview) -> str:
    """How many quotations were left out since the text does not have them; empty when none was."""
    count = review.provenance.dropped_quotation_count
    return f"{text.count(count, 'quotation')} left out, not in the text" if count else ""


def review_sections(review: panel_pb2.PersonaReview, places: Places) -> list[tuple[str, list[ReviewItem]]]:
    """Name and items of each section that has any, the blocking issues first; nothing stands there twice."""
    told: set[str] = set()
    sections = [
        (
            "Blocking",
            [_quoting(blocking_line(each), each, places) for each in _new(review.blocking_issues, told)],
        ),
        ("Concerns", [_quoting(concern_line(each), each, places) for each in _new(review.concerns, told)]),
        ("Strengths", [ReviewItem(text.clean(each)) for each in _new_words(review.strengths, told)]),
        (
            "Recommendations",
            [ReviewItem(text.clean(each)) for each in _new_words(review.recommendations, told)],
        ),
        (
            "Dependencies",
            [ReviewItem(text.clean(each)) for each in _new_words(review.dependency_risks, told)],
        ),
    ]
    return [(name, items) for name, items in sections if items]


def _new(entries: Iterable[EntryT], told: set[str]) -> list[EntryT]:
    """Those that say what was not told yet, or rest on something else."""
    return [
        each for each in entries if _new_words(_grounds(each.text, each.quotations, each.unsupported), told)
    ]


def _grounds(words: str, quotations: Iterable[document_pb2.Quotation], is_unsupported: bool) -> list[str]:
    """Its words, what it quotes, and its words once more where it quotes what is not there."""
    return [
        words,
        *(f"{quoted.section}: {quoted.text}" for quoted in quotations),
        *([f"{UNSUPPORTED}: {words}"] if is_unsupported else []),
    ]


def _new_words(lines: Iterable[str], told: set[str]) -> list[str]:
    found = []
    for each in lines:
        if (key := text.same_words(each)) not in told:
            told.add(key)
            found.append(each)
    return found


def _quoting(words: str, each: panel_pb2.Concern | panel_pb2.BlockingIssue, places: Places) -> ReviewItem:
    if each.unsupported:
        words = f"{UNSUPPORTED_MARK} {words} ({UNSUPPORTED})"
    return ReviewItem(words, places.lines(each), each.unsupported)


def step_lines(steps: Sequence[run_pb2.Step]) -> list[str]:
    """A table of the steps."""
    rows = []
    for step in steps:
        took = text.between(step.start_time, step.finish_time) if step.HasField("finish_time") else None
        why = reason(step.failure.reason) if step.HasField("failure") else ""
        rows.append(
            [
                label(step.name),
                text.word(run_pb2.StepState, step.state, "STEP_STATE_"),
                str(step.attempt_count or ""),
                "" if took is None or not step.HasField("start_time") else text.duration(took),
                why,
            ]
        )
    return table(("step", "state", "attempts", "took", "why"), rows, right=frozenset({2, 3}))


def failure_lines(failure: run_pb2.RunFailure) -> list[str]:
    """Why a run failed, what is finished, and whether resuming may help."""
    step = text.clean(failure.failed_step) or "no step"
    lines = [
        f"{reason(failure.reason)}{_in_brackets(failure.cause)} in {step}: {text.clean(failure.message)}"
    ]
    lines += [
        f"{text.persona_name(each.persona_id)}: {reason(each.reason)}{_in_brackets(each.cause)}"
        for each in failure.persona_failures
    ]
    lines += [
        f"{text.clean(each.field)}: {text.clean(each.description)}" for each in failure.output_violations
    ]
    if failure.finished_personas:
        lines.append(f"finished: {', '.join(text.persona_name(each) for each in failure.finished_personas)}")
    lines.append("resuming may help" if failure.resumable else "resuming cannot help")
    return lines


def resume_words(run: run_pb2.Run) -> str:
    """What to type to go on with a failed run, or that it is of no use."""
    if not run.failure.resumable:
        return "Resuming cannot help."
    return f"To go on, asking only what is missing: consensus resume {run.run_id}"


def verdict_blocks(run: run_pb2.Run, turnout: run_pb2.PanelTurnout, dissent: Dissent) -> Iterator[Block]:
    """The label that holds, where a person gave one or people count, and the panel's decision."""
    beside = [*override_blocks(run.effective_override)] if run.HasField("effective_override") else []
    if together := [*together_blocks(run)]:
        beside += [Block(0, ""), *together] if beside else together
    if beside:
        yield from (*beside, Block(0, ""), Block(0, "Decision of the panel", "bold"))
    yield from decision_blocks(run.decision, turnout, dissent)


def _failure_blocks(run: run_pb2.Run) -> Iterator[Block]:
    yield Block(0, "")
    yield Block(0, "FAILED", "bold red")
    yield Block(2, f"panel {turnout_words(run.turnout)}")
    for line in failure_lines(run.failure):
        yield Block(2, line)
    if run.failure.resumable:
        yield Block(2, resume_words(run))


def _section(name: str, lines: Sequence[str]) -> Iterator[Block]:
    yield Block(0, "")
    yield Block(0, name, "bold")
    for line in lines:
        yield Block(2, line)


def _in_brackets(cause: str) -> str:
    return f" ({text.clean(cause)})" if cause else ""
