"""What the page shows of runs, as templates take it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from consensus.v1 import decision_pb2, errors_pb2, run_pb2

_TITLE_CHARACTERS = 140
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Column:
    """One persona of the panel, as far as it has come."""

    name: str
    state: str
    """WAITING, ASKED, RETURNED or FAILED."""
    score: str
    summary: str
    blocking: tuple[str, ...]
    asked: str
    """When, as an instant that browsers read; empty until then."""
    attempts: int
    cause: str


@dataclass(frozen=True, slots=True)
class RunView:
    """One run."""

    run_id: str
    title: str
    state: str
    label: str
    confidence: str
    user: str
    created: str
    columns: tuple[Column, ...]
    failure: str
    last_sequence: int

    @property
    def is_over(self) -> bool:
        """Whether no review of it will come."""
        return self.state in _ENDED

    @property
    def returned(self) -> int:
        """Personas that answered."""
        return sum(each.state == "RETURNED" for each in self.columns)


def run_view(run: run_pb2.Run) -> RunView:
    """A run, whole or as lists have it."""
    has_decision = run.HasField("decision")
    failure = run.failure
    return RunView(
        run_id=run.run_id,
        title=_title(run),
        state=_word(run_pb2.RunState.Name(run.state), "RUN_STATE_"),
        label=_word(decision_pb2.DecisionLabel.Name(run.decision.label), "DECISION_LABEL_")
        if has_decision
        else "",
        confidence=f"{run.decision.overall_weighted_confidence:.2f}" if has_decision else "",
        user=run.specification.user,
        created=run.create_time.ToJsonString(),
        columns=tuple(_columns(run)),
        failure=f"{_reason(failure.reason)} at {failure.failed_step}: {failure.message}"
        if run.HasField("failure")
        else "",
        last_sequence=run.last_sequence,
    )


def _title(run: run_pb2.Run) -> str:
    specification = run.specification
    text = run.proposal.title or specification.idea or specification.document.name or run.run_id
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1]}…"


def _columns(run: run_pb2.Run) -> Iterator[Column]:
    reviews = {each.persona_id: each for each in run.persona_reviews}
    steps = {each.name: each for each in run.steps}
    for persona in run.turnout.personas:
        review = reviews.get(persona.persona_id)
        step = steps.get(f"review_{persona.persona_id}")
        failed = persona.HasField("fail_time")
        yield Column(
            name=persona.persona_id,
            state=_state(persona),
            score="" if review is None else f"{review.confidence_score:.2f}",
            summary="" if review is None else "; ".join(each.text for each in review.concerns[:3]),
            blocking=() if review is None else tuple(each.text for each in review.blocking_issues),
            asked=persona.launch_time.ToJsonString() if persona.HasField("launch_time") else "",
            attempts=0 if step is None else step.attempt_count,
            cause=_reason(persona.reason) if failed else "",
        )


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
