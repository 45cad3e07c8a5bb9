"""What the page shows of runs, as templates take it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from consensus.v1 import attempt_pb2, decision_pb2, errors_pb2, panel_pb2, run_pb2
from consensus_client.effective import effective_label

_TITLE_CHARACTERS = 140
_MOST_CONCERNS = 3
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Column:
    """One persona of the panel, as far as it has come."""

    name: str
    state: str
    """WAITING, ASKED, RETURNED or FAILED."""
    score: str
    concerns: tuple[str, ...]
    recommendations: tuple[str, ...]
    asked: str
    """When, as an instant that browsers read; empty until then."""
    seconds: str
    """From being asked to its answer, or giving up."""
    attempts: int
    cause: str
    carried_over: bool


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What came out."""

    label: str
    """The one that holds: an override's, people's and the panel's together, or the panel's."""
    origin: str
    """Whose it is, where not the panel's alone."""
    confidence: str
    revise_from: str
    approve_from: str
    """Thresholds of its policy; empty where the decision does not name them."""
    why: tuple[str, ...]
    dissent: tuple[tuple[str, str], ...]
    """Personas that saw it otherwise, and how."""
    notes: str


@dataclass(frozen=True, slots=True)
class RunView:
    """One run."""

    run_id: str
    title: str
    text: str
    state: str
    decision: DecisionView | None
    user: str
    created: str
    columns: tuple[Column, ...]
    blocking: tuple[tuple[str, str], ...]
    """Blocking issues, each with who raised it."""
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


def run_view(run: run_pb2.Run) -> RunView:
    """A run, whole or as lists have it."""
    failure = run.failure
    specification = run.specification
    return RunView(
        run_id=run.run_id,
        title=_title(run),
        text=run.proposal.summary or specification.idea,
        state=_word(run_pb2.RunState.Name(run.state), "RUN_STATE_"),
        decision=_decision(run) if run.HasField("decision") else None,
        user=specification.user,
        created=run.create_time.ToJsonString(),
        columns=tuple(_columns(run)),
        blocking=tuple(
            (each.persona_name, issue.text) for each in run.persona_reviews for issue in each.blocking_issues
        ),
        failure=f"{_reason(failure.reason)} at {failure.failed_step}: {failure.message}"
        if run.HasField("failure")
        else "",
        is_resumable=run.state == run_pb2.RUN_STATE_FAILED and failure.resumable,
        parent_run_id=run.parent_run_id,
        last_sequence=run.last_sequence,
        size=run.ByteSize(),
    )


def attempt_view(attempt: attempt_pb2.Attempt) -> AttemptView:
    """One attempt; what is not known of it is empty."""
    has_usage, has_ended = attempt.HasField("usage"), attempt.HasField("latency")
    return AttemptView(
        step=attempt.step,
        number=attempt.attempt_number,
        state=_word(attempt_pb2.AttemptState.Name(attempt.state), "ATTEMPT_STATE_"),
        reason=_reason(attempt.reason) if attempt.reason else "",
        model=attempt.answered_model or attempt.requested_model,
        seconds=f"{attempt.latency.ToMilliseconds() / 1000:.1f} s" if has_ended else "",
        tokens_in=str(attempt.usage.input_tokens) if has_usage else "",
        tokens_out=str(attempt.usage.output_tokens) if has_usage else "",
    )


def _decision(run: run_pb2.Run) -> DecisionView:
    decision = run.decision
    thresholds = next(
        (each.data for each in decision.fired_rules if "approve_threshold" in each.data),
        {"approve_threshold": "", "revise_threshold": ""},
    )
    origin = "with people's reviews" if run.HasField("decision_with_humans") else ""
    if run.HasField("effective_override"):
        origin = f"set by a person: {run.effective_override.reason}"
    return DecisionView(
        label=_word(decision_pb2.DecisionLabel.Name(effective_label(run)), "DECISION_LABEL_"),
        origin=origin,
        confidence=f"{decision.overall_weighted_confidence:.2f}",
        revise_from=thresholds["revise_threshold"],
        approve_from=thresholds["approve_threshold"],
        why=tuple(each.explanation for each in decision.fired_rules),
        dissent=tuple(
            (each.persona_name or each.persona_id, each.blocking_summary or "; ".join(each.concerns))
            for each in decision.minority_reports
        ),
        notes=decision.decision_notes,
    )


def _title(run: run_pb2.Run) -> str:
    specification = run.specification
    text = run.proposal.title or specification.idea or specification.document.name or run.run_id
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1]}…"


def _columns(run: run_pb2.Run) -> Iterator[Column]:
    reviews = {each.persona_id: each for each in run.persona_reviews}
    steps = {each.name: each for each in run.steps}
    names = {each.persona_id: each.display_name for each in run.specification.personas}
    for persona in run.turnout.personas:
        review = reviews.get(persona.persona_id)
        step = steps.get(f"review_{persona.persona_id}")
        yield Column(
            name=names.get(persona.persona_id) or persona.persona_id,
            state=_state(persona),
            score="" if review is None else f"{review.confidence_score:.2f}",
            concerns=_concerns(review),
            recommendations=() if review is None else tuple(review.recommendations[:_MOST_CONCERNS]),
            asked=persona.launch_time.ToJsonString() if persona.HasField("launch_time") else "",
            seconds=_seconds(persona),
            attempts=0 if step is None else step.attempt_count,
            cause=_reason(persona.reason) if persona.HasField("fail_time") else "",
            carried_over=review is not None and bool(review.reused_from_run_id),
        )


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


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)


def _reason(reason: "errors_pb2.ErrorReason.ValueType") -> str:
    return _word(errors_pb2.ErrorReason.Name(reason), "ERROR_REASON_")
