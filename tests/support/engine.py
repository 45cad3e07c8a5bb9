"""What tests of the review engine are made of: specifications, reviews, a clock, a recorder."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus.v1 import attempt_pb2, panel_pb2, proposal_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import reason_name
from consensus_contract.spans import duration
from consensus_decision.policies import POLICY_VERSION
from review_service.intake.requests import IntakeLimits
from review_service.model.client import ModelClient
from review_service.model.model_call import ModelCall
from review_service.personas.panel import load_panel
from review_service.steps.expander import Expander
from review_service.steps.outputs import REVIEW_FORMAT
from review_service.steps.reviewer import Reviewer
from review_service.steps.runner import StepRunner
from review_service.steps.step import Expanded, GaveUp, StepBudget, Succeeded
from review_service.steps.timing import Timing

PANEL = load_panel()
RUN_ID = "run-1"
NO_DEADLINE = 1_000_000.0
LIMITS = IntakeLimits(
    max_idea_characters=10_000,
    max_idea_sentences=10,
    max_context_characters=50_000,
    max_document_characters=200_000,
    max_edited_proposal_characters=100_000,
    max_edit_notes_characters=10_000,
)
FRESH = StepBudget(deadline=NO_DEADLINE)


def specification(
    *,
    max_retries: int = 3,
    attempt_timeout_seconds: float = 30.0,
    min_personas: int = 5,
    required_personas: Sequence[str] = ("security_guardian",),
    expand_temperature: float | None = 0.7,
    review_temperature: float | None = 0.2,
    policy_version: str = POLICY_VERSION,
) -> run_pb2.RunSpecification:
    """A run's specification with the documented settings."""
    return run_pb2.RunSpecification(
        idea="Let readers save articles to read them later.",
        expand_model="gpt-expand",
        review_model="gpt-review",
        expand_temperature=expand_temperature,
        review_temperature=review_temperature,
        persona_template_version="1.0.0",
        retry_policy=run_pb2.RetryPolicy(
            max_retries=max_retries,
            initial_backoff=duration(1),
            backoff_multiplier=2.0,
            attempt_timeout=duration(attempt_timeout_seconds),
            max_output_tokens=8000,
        ),
        personas=PANEL.personas,
        quorum=run_pb2.Quorum(min_personas=min_personas, required_personas=required_personas),
        policy_version=policy_version,
    )


def proposal() -> proposal_pb2.Proposal:
    """A proposal of a few fields."""
    return proposal_pb2.Proposal(
        title="Read later",
        problem_statement="Readers lose articles that they mean to read.",
        proposed_solution="A button saves an article to a list.",
        assumptions=["Readers have accounts."],
    )


def review(
    persona_id: str,
    score: float,
    *,
    blocking: Sequence[tuple[str, bool | None]] = (),
    recommendations: Sequence[str] = (),
    strengths: Sequence[str] = (),
    concerns: Sequence[str] = (),
) -> panel_pb2.PersonaReview:
    """A review with a score and blocking issues, each a text and whether it is security-critical."""
    return panel_pb2.PersonaReview(
        persona_id=persona_id,
        persona_name=PANEL.member(persona_id).display_name,
        confidence_score=score,
        strengths=strengths,
        concerns=[panel_pb2.Concern(text=text) for text in concerns],
        recommendations=recommendations,
        blocking_issues=[
            panel_pb2.BlockingIssue(text=text, security_critical=is_critical)
            for text, is_critical in blocking
        ],
        estimated_effort="a week",
        blocking_issues_present=bool(blocking),
        security_critical_issues_present=any(is_critical for _, is_critical in blocking),
    )


def stale(*reviews: panel_pb2.PersonaReview) -> list[panel_pb2.PersonaReview]:
    """The same reviews, carried over from a run whose proposal had another solution."""
    carried = [panel_pb2.PersonaReview.FromString(each.SerializeToString()) for each in reviews]
    for each in carried:
        each.reused_from_run_id = "parent"
        each.stale_sections.append("proposed_solution")
    return carried


def reviews(**scores: float) -> list[panel_pb2.PersonaReview]:
    """A review for each persona named, with nothing but a score."""
    return [review(persona_id, score) for persona_id, score in scores.items()]


def model_call(**changes: object) -> ModelCall:
    """A review call; `changes` replace fields."""
    fields: dict[str, object] = {
        "run_id": RUN_ID,
        "step": "review_critic",
        "persona_id": "critic",
        "attempt_number": 1,
        "model": "gpt-review",
        "temperature": 0.2,
        "max_output_tokens": 8000,
        "output": REVIEW_FORMAT,
        "instructions": "Review it.",
        "messages": ("Review this proposal.", "Persona: critic\n\nLook for what breaks."),
    }
    return ModelCall(**(fields | changes))  # type: ignore[arg-type]  # names are checked when it is called


@dataclass(slots=True)
class FakeTime:
    """A clock that only sleeping moves; `chance` is what the random source answers."""

    now: float = 0.0
    chance: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        """Lets others run, and moves the clock."""
        self.sleeps.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds

    def timing(self) -> Timing:
        """What a step runner takes."""
        return Timing(clock=lambda: self.now, sleep=self.sleep, chance=lambda: self.chance)


@dataclass(slots=True)
class Recorder:
    """Keeps what a step recorded, in order: ("started" | "failed", attempt, event or None)."""

    records: list[tuple[str, attempt_pb2.Attempt, run_event_pb2.AttemptFailed | None]] = field(
        default_factory=list
    )
    started_before: Sequence[str] = ()

    def is_started(self, step: str) -> bool:
        """Whether the step's last record is that of a start; without one, whether it stood there before."""
        mine = [kind for kind, attempt, _ in self.records if attempt.step == step]
        return mine[-1] == "started" if mine else step in self.started_before

    async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
        """Keeps it."""
        self.records.append(("started", attempt, None))

    async def attempt_failed(self, attempt: attempt_pb2.Attempt, event: run_event_pb2.AttemptFailed) -> None:
        """Keeps it."""
        self.records.append(("failed", attempt, event))

    def course(self) -> list[tuple[str, int]]:
        """What was recorded of which attempt."""
        return [(kind, attempt.attempt_number) for kind, attempt, _ in self.records]

    def started(self) -> list[attempt_pb2.Attempt]:
        """The attempts that were recorded as started."""
        return [attempt for kind, attempt, _ in self.records if kind == "started"]


Reviewed = Succeeded[panel_pb2.PersonaReview] | GaveUp


class Desk:
    """A reviewer with a clock that stands still and a recorder that remembers."""

    def __init__(self, model: ModelClient) -> None:
        self.time = FakeTime()
        self.recorder = Recorder()
        runner = StepRunner(model, timing=self.time.timing())
        self.reviewer = Reviewer(runner, PANEL)
        self.expander = Expander(runner)

    async def review(
        self,
        budget: StepBudget = FRESH,
        persona_id: str = "critic",
        spec: run_pb2.RunSpecification | None = None,
    ) -> Reviewed:
        task = self.reviewer.prepare(RUN_ID, spec or specification(), proposal())
        return await self.reviewer.review(task, persona_id, budget, self.recorder)

    async def expand(
        self, budget: StepBudget = FRESH, spec: run_pb2.RunSpecification | None = None
    ) -> Succeeded[Expanded] | GaveUp:
        return await self.expander.expand(RUN_ID, spec or specification(), budget, self.recorder)


def succeeded(outcome: Reviewed) -> Succeeded[panel_pb2.PersonaReview]:
    assert isinstance(outcome, Succeeded)
    return outcome


def gave_up(outcome: object, reason: str) -> GaveUp:
    assert isinstance(outcome, GaveUp)
    assert reason_name(outcome.failure.reason) == reason
    return outcome
