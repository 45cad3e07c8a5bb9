"""Spans of runs and their steps, with the scores that these came to: OpenTelemetry's conventions for
generative AI, and names of our own (`consensus.…`) for what these have none for. No content, unless a
setting asks for explanations.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from consensus.v1 import decision_pb2, panel_pb2, run_pb2
from consensus_contract.errors import reason_name
from review_service.runs.counting import COMPLETED, FAILED, StepTime, timed_step
from review_service.steps.step import GaveUp, Succeeded

_tracer = trace.get_tracer("review_service.runs")

_EVALUATION = "gen_ai.evaluation.result"
_NAME = "gen_ai.evaluation.name"
_SCORE, _LABEL = "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"
_EXPLANATION = "gen_ai.evaluation.explanation"
# The conventions have no attributes for who evaluated, and for the range of a score, yet.
_EVALUATOR_REVISION = "consensus.evaluator.revision"
_RANGE: dict[str, AttributeValue] = {
    "consensus.evaluation.score.min": 0.0,
    "consensus.evaluation.score.max": 1.0,
}
_MOST_CHARACTERS = 4_000


@contextmanager
def run_span(run_id: str) -> Iterator[Span]:
    """A span around the work on a run by this process; parent of all that is done meanwhile."""
    with _tracer.start_as_current_span(
        "run", attributes={"consensus.run_id": run_id}, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


@dataclass(frozen=True, slots=True)
class ObservedStep:
    """A step under way: its span, and its time."""

    span: Span
    time: StepTime

    def ended(self, outcome: Succeeded[Any] | GaveUp) -> None:
        """Says what it came to."""
        self.time.outcome = COMPLETED
        if isinstance(outcome, GaveUp):
            self.time.outcome = FAILED
            self.span.set_attribute("error.type", reason_name(outcome.failure.reason))
            self.span.set_status(Status(StatusCode.ERROR))


@contextmanager
def observed_step(run_id: str, step: str) -> Iterator[ObservedStep]:
    """A span around a step, parent of its calls to the model, and the time that it takes."""
    about = {"consensus.run_id": run_id, "consensus.step": step}
    with (
        timed_step(step) as time,
        _tracer.start_as_current_span(
            f"step {step}", attributes=about, record_exception=False, set_status_on_exception=False
        ) as span,
    ):
        yield ObservedStep(span, time)


def tell_review(
    span: Span, review: panel_pb2.PersonaReview, specification: run_pb2.RunSpecification, *, explains: bool
) -> None:
    """The persona's score as the result of an evaluation; with `explains` also what it objects to."""
    if not span.is_recording():
        return
    about: dict[str, AttributeValue] = {
        _NAME: review.persona_id,
        _SCORE: review.confidence_score,
        _LABEL: _label(review),
        _EVALUATOR_REVISION: review.provenance.prompt_digest,
        "consensus.panel.revision": specification.panel_revision,
        "gen_ai.request.model": review.provenance.requested_model,
        "gen_ai.response.model": review.provenance.answered_model,
    }
    if explains:
        issues = (*(each.text for each in review.blocking_issues), *(each.text for each in review.concerns))
        about[_EXPLANATION] = "\n".join(issues)[:_MOST_CHARACTERS]
    span.add_event(_EVALUATION, about | _RANGE)


def tell_decision(span: Span, decision: decision_pb2.Decision) -> None:
    """The decision as the result of an evaluation, by its policy."""
    about: dict[str, AttributeValue] = {
        _NAME: "decision",
        _SCORE: decision.overall_weighted_confidence,
        _LABEL: decision_pb2.DecisionLabel.Name(decision.label).removeprefix("DECISION_LABEL_"),
        _EVALUATOR_REVISION: decision.policy or decision.policy_version,
    }
    span.add_event(_EVALUATION, about | _RANGE)


def _label(review: panel_pb2.PersonaReview) -> str:
    """What the decision's rules see beside the score."""
    if review.security_critical_issues_present:
        return "SECURITY_CRITICAL"
    return "BLOCKING" if review.blocking_issues_present else "NOT_BLOCKING"
