"""How far a run has come, from what is recorded of it: what is there is never asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, document_pb2, panel_pb2, proposal_pb2, run_pb2, suspicion_pb2
from consensus_contract.errors import Reason
from consensus_contract.steps import EXPAND, review_step
from consensus_decision.sections import mark_stale
from consensus_decision.suspicion import PROPOSAL
from review_service.steps.step import StepBudget, step_budget

_TERMINAL = frozenset({run_pb2.RUN_STATE_COMPLETED, run_pb2.RUN_STATE_FAILED, run_pb2.RUN_STATE_CANCELLED})


@dataclass(slots=True, kw_only=True)
class RunProgress:
    """A run's specification, deadline (loop time, seconds), and what is recorded.

    `is_expanded` says that `expand` is done or skipped; of a document that was skipped there is no proposal.
    `has_proposal`: one is recorded. `proposal` is there until it is taken; `suspicions` are of it. `begun`
    holds the steps that are RUNNING. `attempts` are those of earlier workers; they count against the steps'
    budgets if they began at `budget_start_time` or later.
    """

    run_id: str
    specification: run_pb2.RunSpecification
    deadline: float
    is_over: bool = False
    is_expanded: bool = False
    has_proposal: bool = False
    proposal: proposal_pb2.Proposal | None = None
    suspicions: Sequence[suspicion_pb2.Suspicion] = ()
    reviews: dict[str, panel_pb2.PersonaReview] = field(default_factory=dict)
    failures: dict[str, run_pb2.StepFailure] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)  # a set of six takes 700 bytes
    attempts: Sequence[attempt_pb2.Attempt] = ()
    budget_start_time: Timestamp | None = None

    @property
    def persona_ids(self) -> list[str]:
        """The panel, in persona order."""
        return [persona.persona_id for persona in self.specification.personas]

    @property
    def reasons(self) -> dict[str, Reason]:
        """Why personas gave up."""
        return {persona_id: failure.reason for persona_id, failure in self.failures.items()}

    @property
    def to_ask(self) -> list[str]:
        """Personas that have neither answered nor given up, in persona order."""
        return [each for each in self.persona_ids if each not in self.reviews and each not in self.failures]

    def expanded(
        self, proposal: proposal_pb2.Proposal, suspicions: Sequence[suspicion_pb2.Suspicion] = ()
    ) -> None:
        """Notes the proposal that is recorded, what it is suspected of, and which carried-over reviews are of
        an earlier one.
        """
        self.is_expanded, self.proposal, self.suspicions = True, proposal, suspicions
        mark_stale(self.reviews.values(), self.specification, proposal)

    def skipped_expanding(self) -> None:
        """Notes that `expand` is recorded as SKIPPED, and what the panel reads instead."""
        if self.specification.HasField("document"):
            self.is_expanded = True
            mark_stale(self.reviews.values(), self.specification, proposal_pb2.Proposal())
        else:
            self.expanded(self.specification.proposal)

    def take_proposal(self) -> proposal_pb2.Proposal | None:
        """Hands the proposal over, once: the reviews may take minutes, and only its text is needed then."""
        proposal, self.proposal = self.proposal, None
        return proposal

    def has_history(self, step: str) -> bool:
        """Whether an earlier worker called the model for this step."""
        return any(attempt.step == step for attempt in self.attempts)

    def budget(self, step: str) -> StepBudget:
        """What the step may still spend."""
        return step_budget(step, self.attempts, self.deadline, self.budget_start_time)


def new_progress(run_id: str, specification: run_pb2.RunSpecification, deadline: float) -> RunProgress:
    """A run whose first commit began to expand, or, where nothing is expanded, to review."""
    progress = RunProgress(run_id=run_id, specification=specification, deadline=deadline)
    progress.begun = first_steps(specification)
    if not is_expanding(specification):
        progress.skipped_expanding()
    return progress


def first_steps(specification: run_pb2.RunSpecification) -> list[str]:
    """The steps with which a new run begins."""
    if is_expanding(specification):
        return [EXPAND]
    return [review_step(persona.persona_id) for persona in specification.personas]


def is_expanding(specification: run_pb2.RunSpecification) -> bool:
    """Whether the model makes or revises a proposal; else the panel reads what the caller wrote."""
    if specification.HasField("document"):
        return specification.document_expansion == document_pb2.DOCUMENT_EXPANSION_SUMMARISE
    return specification.HasField("revision") or not specification.HasField("proposal")


def recorded_progress(recorded: persistence_service_pb2.RunAttached, deadline: float) -> RunProgress:
    """A run that was begun elsewhere or earlier."""
    run = recorded.run
    steps = {step.name: step for step in run.steps}
    failed = {
        persona.persona_id: steps[review_step(persona.persona_id)].failure
        for persona in run.specification.personas
        if steps[review_step(persona.persona_id)].state == run_pb2.STEP_STATE_FAILED
    }
    progress = RunProgress(
        run_id=run.run_id,
        specification=run.specification,
        deadline=deadline,
        is_over=run.state in _TERMINAL,
        reviews={review.persona_id: review for review in run.persona_reviews},
        failures=failed,
        begun=[step.name for step in run.steps if step.state == run_pb2.STEP_STATE_RUNNING],
        has_proposal=run.HasField("proposal"),
        attempts=recorded.attempts,
        budget_start_time=(recorded.budget_start_time if recorded.HasField("budget_start_time") else None),
    )
    if not is_expanding(run.specification):
        # A run that was resumed is to record it again.
        if steps[EXPAND].state == run_pb2.STEP_STATE_SKIPPED:
            progress.skipped_expanding()
    elif run.HasField("proposal"):
        progress.expanded(run.proposal, [each for each in run.suspicions if each.text == PROPOSAL])
    return progress
