"""The steps `review_<persona>`: a persona's verdict on a proposal or a document."""

import functools
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from consensus.v1 import attempt_pb2, panel_pb2, proposal_pb2, run_pb2
from consensus_contract.sizes import review_bytes
from consensus_contract.steps import review_step
from consensus_decision.decimals import nearest_double, score_from_double
from consensus_decision.supported import supported
from review_service.personas.panel import BuiltInPanel
from review_service.screening.canary import Canary
from review_service.steps.attempts import note_mended, persona_model, reviewing_model
from review_service.steps.documents import IdeaBeside, ReviewMaterial, review_material
from review_service.steps.outputs import (
    REVIEW_FORMAT,
    BlockingIssueOutput,
    ConcernOutput,
    PersonaReviewOutput,
    fit,
    read_output,
)
from review_service.steps.prompts import persona_message
from review_service.steps.quotations import Evidence, QuotationCheck, fit_quotations
from review_service.steps.retry import RetryPolicy, read_policy
from review_service.steps.runner import StepRunner
from review_service.steps.step import AttemptRecorder, GaveUp, StepBudget, StepRequest, Succeeded

# What no rule reads, and room for what a review is given later: names of what was cut, the run that it is
# carried over from.
_LISTS = ("strengths", "concerns", "recommendations", "dependency_risks")
_LATER_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """What all personas of a run share, rendered once."""

    run_id: str
    personas: Mapping[str, panel_pb2.Persona]
    model: str
    temperature: float | None
    template_version: str
    policy: RetryPolicy
    material: ReviewMaterial
    most_review_bytes: int


class Reviewer:
    """Asks personas. One per process."""

    __slots__ = ("_panel", "_runner")

    def __init__(self, runner: StepRunner, panel: BuiltInPanel) -> None:
        self._runner = runner
        self._panel = panel

    def prepare(
        self, run_id: str, specification: run_pb2.RunSpecification, proposal: proposal_pb2.Proposal | None
    ) -> ReviewTask:
        """The part of a run's reviews that is the same for all personas."""
        model, temperature = reviewing_model(specification)
        return ReviewTask(
            run_id=run_id,
            personas={persona.persona_id: persona for persona in specification.personas},
            model=model,
            temperature=temperature,
            template_version=specification.persona_template_version,
            policy=read_policy(specification.retry_policy),
            material=review_material(specification, proposal),
            most_review_bytes=review_bytes(max(1, len(specification.personas))),
        )

    def review(
        self, task: ReviewTask, persona_id: str, budget: StepBudget, recorder: AttemptRecorder
    ) -> Awaitable[Succeeded[panel_pb2.PersonaReview] | GaveUp]:
        """One persona's review, or why there is none; no coroutine of its own, since all wait for minutes.

        Raises:
            KeyError: the run's panel has no such persona, or nobody knows its instructions.
        """
        return self._runner.run(self._request(task, persona_id), budget, recorder)

    @property
    def knows_prices(self) -> bool:
        """Whether any route has a price."""
        return self._runner.knows_prices

    def set_most_cost(self, attempt: attempt_pb2.Attempt, task: ReviewTask, persona_id: str) -> None:
        """Says of a persona's first attempt what it can cost at most."""
        self._runner.set_most_cost(attempt, self._request(task, persona_id))

    def _request(self, task: ReviewTask, persona_id: str) -> StepRequest[panel_pb2.PersonaReview]:
        persona = self._panel.instructed(task.personas[persona_id])
        model, temperature = persona_model(persona, task.model, task.temperature)
        idea = _shown_idea(task, persona)
        canary = Canary()
        return StepRequest(
            run_id=task.run_id,
            step=review_step(persona_id),
            persona_id=persona_id,
            model=model,
            temperature=temperature,
            policy=task.policy,
            output=REVIEW_FORMAT,
            instructions=task.material.instructions,
            messages=(
                task.material.message,
                *(() if idea is None else (idea.message,)),
                f"{canary.rule}\n\n{persona_message(persona_id, persona.instructions)}",
            ),
            read=functools.partial(_read_review, task, persona, canary),
            time_limit_seconds=_time_limit(persona),
        )


def _time_limit(persona: panel_pb2.Persona) -> float | None:
    return persona.time_limit.ToMicroseconds() / 1_000_000 if persona.HasField("time_limit") else None


def _shown_idea(task: ReviewTask, persona: panel_pb2.Persona) -> IdeaBeside | None:
    """The idea, for a persona that is shown it."""
    return task.material.idea if persona.shows_idea or persona.holds_veto else None


def _read_review(
    task: ReviewTask, persona: panel_pb2.Persona, canary: Canary, text: str, attempt: attempt_pb2.Attempt
) -> panel_pb2.PersonaReview:
    """The review in the model's text; who wrote it, and how, is set here."""
    canary.watch(text)
    idea = _shown_idea(task, persona)
    reading = read_output(PersonaReviewOutput, text)
    output = reading.output
    check = QuotationCheck(task.material.quotable if idea is None else idea.quotable)
    issues = [_blocking_issue(each, check.evidence(each)) for each in output.blocking_issues]
    counting = supported(issues)
    review = panel_pb2.PersonaReview(
        persona_id=persona.persona_id,
        persona_name=persona.display_name,
        confidence_score=nearest_double(score_from_double(output.confidence_score)),
        strengths=output.strengths,
        concerns=[_concern(each, check.evidence(each)) for each in output.concerns],
        recommendations=output.recommendations,
        blocking_issues=issues,
        estimated_effort=output.estimated_effort,
        dependency_risks=output.dependency_risks,
        blocking_issues_present=bool(counting),
        security_critical_issues_present=any(issue.security_critical for issue in counting),
        provenance=_provenance(task, persona, attempt),
        shown_texts=task.material.shown if idea is None else idea.shown,
        suspicions=canary.suspicions(review_step(persona.persona_id)),
    )
    review.provenance.dropped_quotation_count = check.dropped_count
    most_bytes = task.most_review_bytes - _LATER_BYTES
    cut = (*fit_quotations(review, most_bytes), *fit(review, _LISTS, most_bytes))
    truncated = tuple(dict.fromkeys(reading.truncated_fields + cut))
    review.provenance.truncated_fields.extend(truncated)
    note_mended(attempt, reading.mended, truncated)
    return review


def _concern(output: ConcernOutput, evidence: Evidence) -> panel_pb2.Concern:
    return panel_pb2.Concern(
        text=output.text,
        blocking=output.is_blocking,
        quotations=evidence.quotations,
        section=evidence.section,
        unsupported=evidence.unsupported,
    )


def _blocking_issue(output: BlockingIssueOutput, evidence: Evidence) -> panel_pb2.BlockingIssue:
    return panel_pb2.BlockingIssue(
        text=output.text,
        security_critical=output.security_critical,
        quotations=evidence.quotations,
        section=evidence.section,
        unsupported=evidence.unsupported,
    )


def _provenance(
    task: ReviewTask, persona: panel_pb2.Persona, attempt: attempt_pb2.Attempt
) -> panel_pb2.ReviewProvenance:
    """How the review came about; `truncated_fields` come last, once the review is known to fit."""
    return panel_pb2.ReviewProvenance(
        requested_model=attempt.requested_model,
        answered_model=attempt.answered_model,
        temperature=attempt.temperature if attempt.HasField("temperature") else None,
        persona_template_version=task.template_version,
        prompt_digest=persona.prompt_digest,
        attempt_count=attempt.attempt_number,
        provider_request_id=attempt.provider_request_id,
        route=attempt.route,
        dropped_parameters=attempt.dropped_parameters,
        usage=attempt.usage if attempt.HasField("usage") else None,
        latency=attempt.latency if attempt.HasField("latency") else None,
    )
