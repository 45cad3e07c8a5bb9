"""What the page shows of runs, as templates take it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from consensus.v1 import attempt_pb2, panel_pb2, run_pb2
from consensus_client.effective import effective_label
from consensus_contract.steps import review_step
from consensus_door.page.retries import Retries, Retry
from consensus_report import text
from consensus_report.html.decision import dissent, reasons, scale, verdicts
from consensus_report.html.findings import findings_section
from consensus_report.html.markup import Markup, joined
from consensus_report.html.parts import section
from consensus_report.html.people import person_review
from consensus_report.labels import label_word, reason
from consensus_report.subject import subject_title, subject_words
from consensus_report.suspicion import suspicion_words

_TITLE_CHARACTERS = 140
_MOST_CONCERNS = 3
_NONE: Retries = {}
_NO_RETRY = Retry(0, 0)
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Column:
    """One persona of the panel, as far as it has come."""

    persona_id: str
    name: str
    state: str
    """WAITING, ASKED, RETURNED or FAILED."""
    score: str
    concerns: tuple[str, ...]
    recommendations: tuple[str, ...]
    asked: str
    """When, as an instant that browsers read; empty until then."""
    asked_ms: int
    """The same in milliseconds since 1970, which scripts count from; 0 until then."""
    seconds: str
    """From being asked to its answer, or giving up."""
    attempts: str
    """`attempt 2 of 4` while it is waited for, `2 attempts` afterwards; empty where the first was enough."""
    again_ms: int
    """When the call that failed is made again, in milliseconds since 1970; 0 where none is waited for."""
    again: str
    """The same as a time of day, in UTC."""
    cause: str
    carried_over: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a list, which has neither reviews nor proposals."""

    run_id: str
    title: str
    is_revision: bool
    state: str
    label: str
    """The one that holds: an override's, people's and the panel's together, or the panel's; empty without."""
    confidence: str
    returned: int
    """Personas that answered."""
    expected: int
    user: str
    created: str


@dataclass(frozen=True, slots=True)
class RunView:
    """One run; what is HTML already is empty where there is nothing to tell."""

    run_id: str
    title: str
    text: str
    state: str
    user: str
    suspected: str
    decision: Markup
    """Whose label holds, the confidence on its scale, and why."""
    is_decided: bool
    notes: str
    findings: Markup
    dissent: Markup
    people: Markup
    columns: tuple[Column, ...]
    failure: str
    is_resumable: bool
    parent_run_id: str
    last_sequence: int
    size: int
    """Bytes of the run, which rendering it costs time by."""

    @property
    def is_over(self) -> bool:
        """Whether no review of it will come."""
        return self.state in _ENDED

    @property
    def returned(self) -> int:
        """Personas that answered."""
        return sum(each.state == "RETURNED" for each in self.columns)


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One call to the model."""

    step: str
    number: int
    state: str
    reason: str
    model: str
    seconds: str
    tokens_in: str
    tokens_out: str


def run_row(run: run_pb2.Run) -> RunRow:
    """A run as lists have it."""
    label = effective_label(run)
    is_decided = run.HasField("decision")
    return RunRow(
        run_id=run.run_id,
        title=run_title(run),
        is_revision=bool(run.parent_run_id),
        state=_state_word(run),
        label=label_word(label) if label else "",
        confidence=text.score(run.decision.overall_weighted_confidence) if is_decided else "",
        returned=run.turnout.returned_count,
        expected=run.turnout.expected_count,
        user=run.specification.user,
        created=run.create_time.ToJsonString(),
    )


def run_view(run: run_pb2.Run, retries: Retries = _NONE) -> RunView:
    """A run, whole, with what its events tell of calls that are made again."""
    decision = run.decision
    is_decided = run.HasField("decision")
    return RunView(
        run_id=run.run_id,
        title=run_title(run),
        text=run.proposal.summary or run.specification.idea,
        state=_state_word(run),
        user=run.specification.user,
        suspected=suspicion_words(run.suspicions),
        decision=joined(verdicts(run), scale(decision), reasons(decision)) if is_decided else joined(),
        is_decided=is_decided,
        notes=decision.decision_notes,
        findings=joined(findings_section(run)),
        dissent=joined(dissent(decision)),
        people=_people(run),
        columns=tuple(_columns(run, retries)),
        failure=_failure(run),
        is_resumable=run.state == run_pb2.RUN_STATE_FAILED and run.failure.resumable,
        parent_run_id=run.parent_run_id,
        last_sequence=run.last_sequence,
        size=run.ByteSize(),
    )


def run_title(run: run_pb2.Run) -> str:
    """What it is about, on one line."""
    title = subject_title(run) or subject_words(run.specification, _TITLE_CHARACTERS) or run.run_id
    return text.shorten(title, _TITLE_CHARACTERS)


def attempt_view(attempt: attempt_pb2.Attempt) -> AttemptView:
    """One attempt; what is not known of it is empty."""
    has_usage, has_ended = attempt.HasField("usage"), attempt.HasField("latency")
    return AttemptView(
        step=attempt.step,
        number=attempt.attempt_number,
        state=text.word(attempt_pb2.AttemptState, attempt.state, "ATTEMPT_STATE_").upper(),
        reason=reason(attempt.reason) if attempt.reason else "",
        model=attempt.answered_model or attempt.requested_model,
        seconds=f"{attempt.latency.ToMilliseconds() / 1000:.1f} s" if has_ended else "",
        tokens_in=str(attempt.usage.input_tokens) if has_usage else "",
        tokens_out=str(attempt.usage.output_tokens) if has_usage else "",
    )


def _people(run: run_pb2.Run) -> Markup:
    if not run.human_reviews:
        return joined()
    return section("Reviews by people", [person_review(each) for each in run.human_reviews])


def _failure(run: run_pb2.Run) -> str:
    failure = run.failure
    if not run.HasField("failure"):
        return ""
    return f"{reason(failure.reason)} at {failure.failed_step}: {failure.message}"


def _columns(run: run_pb2.Run, retries: Retries) -> Iterator[Column]:
    reviews = {each.persona_id: each for each in run.persona_reviews}
    calls = {each.name: each.attempt_count for each in run.steps}
    names = {each.persona_id: each.display_name for each in run.specification.personas}
    for persona in run.turnout.personas:
        step = review_step(persona.persona_id)
        review, state = reviews.get(persona.persona_id), _state(persona)
        retry = retries.get(step, _NO_RETRY) if state == "ASKED" else _NO_RETRY
        yield Column(
            persona_id=persona.persona_id,
            name=names.get(persona.persona_id) or persona.persona_id,
            state=state,
            score="" if review is None else text.score(review.confidence_score),
            concerns=_concerns(review),
            recommendations=() if review is None else tuple(review.recommendations[:_MOST_CONCERNS]),
            asked=persona.launch_time.ToJsonString() if persona.HasField("launch_time") else "",
            asked_ms=persona.launch_time.ToMilliseconds(),
            seconds=_seconds(persona),
            attempts=_attempts(run, state, max(calls.get(step, 0), retry.number)),
            again_ms=retry.again_ms,
            again=f"{datetime.fromtimestamp(retry.again_ms / 1000, UTC):%H:%M:%S}",
            cause=reason(persona.reason) if persona.HasField("fail_time") else "",
            carried_over=review is not None and bool(review.reused_from_run_id),
        )


def _attempts(run: run_pb2.Run, state: str, count: int) -> str:
    most = run.specification.retry_policy.max_retries + 1
    if count < 2:
        return ""
    if state != "ASKED":
        return text.count(count, "attempt")
    return f"attempt {count}" + (f" of {most}" if count <= most else "")


def _concerns(review: panel_pb2.PersonaReview | None) -> tuple[str, ...]:
    return () if review is None else tuple(each.text for each in review.concerns[:_MOST_CONCERNS])


def _seconds(persona: run_pb2.PersonaTurnout) -> str:
    if not persona.HasField("launch_time"):
        return ""
    ended = persona.return_time if persona.HasField("return_time") else persona.fail_time
    if not ended.ToNanoseconds():
        return ""
    return f"{(ended.ToNanoseconds() - persona.launch_time.ToNanoseconds()) / 1e9:.1f} s"


def _state(persona: run_pb2.PersonaTurnout) -> str:
    if persona.HasField("return_time"):
        return "RETURNED"
    if persona.HasField("fail_time"):
        return "FAILED"
    return "ASKED" if persona.HasField("launch_time") else "WAITING"


def _state_word(run: run_pb2.Run) -> str:
    return text.word(run_pb2.RunState, run.state, "RUN_STATE_").upper()
