"""The step `expand`: an idea or a document into a proposal, or a proposal and its edits into another."""

import functools

from consensus.v1 import attempt_pb2, proposal_pb2, run_pb2
from consensus_contract.sizes import PROPOSAL_BYTES
from consensus_contract.steps import EXPAND
from consensus_decision.sections import proposal_words
from consensus_decision.suspicion import PROPOSAL
from review_service.screening.canary import Canary
from review_service.screening.screen import suspicions
from review_service.steps.attempts import expanding_model, note_mended
from review_service.steps.documents import SUMMARISE_INSTRUCTIONS, summarise_message
from review_service.steps.outputs import PROPOSAL_FORMAT, ProposalOutput, fit, read_output
from review_service.steps.prompts import (
    EXPAND_INSTRUCTIONS,
    REVISE_INSTRUCTIONS,
    expand_message,
    instructions_for,
    revise_message,
)
from review_service.steps.retry import read_policy
from review_service.steps.runner import StepRunner
from review_service.steps.step import AttemptRecorder, Expanded, GaveUp, StepBudget, StepRequest, Succeeded


class Expander:
    """Expands ideas. One per process."""

    __slots__ = ("_runner",)

    def __init__(self, runner: StepRunner) -> None:
        self._runner = runner

    async def expand(
        self,
        run_id: str,
        specification: run_pb2.RunSpecification,
        budget: StepBudget,
        recorder: AttemptRecorder,
    ) -> Succeeded[Expanded] | GaveUp:
        """The proposal, or why there is none. `run_id` is the run's or the expansion's id."""
        return await self._runner.run(_request(run_id, specification), budget, recorder)

    def set_most_cost(
        self, attempt: attempt_pb2.Attempt, run_id: str, specification: run_pb2.RunSpecification
    ) -> None:
        """Says of the first attempt what it can cost at most."""
        self._runner.set_most_cost(attempt, _request(run_id, specification))


def _request(run_id: str, specification: run_pb2.RunSpecification) -> StepRequest[Expanded]:
    instructions, message = _prompt(specification)
    model, temperature = expanding_model(specification)
    canary = Canary()
    return StepRequest(
        run_id=run_id,
        step=EXPAND,
        persona_id="",
        model=model,
        temperature=temperature,
        policy=read_policy(specification.retry_policy),
        output=PROPOSAL_FORMAT,
        instructions=instructions,
        messages=(message, canary.rule),
        read=functools.partial(_read_proposal, canary),
    )


def _prompt(specification: run_pb2.RunSpecification) -> tuple[str, str]:
    """Instructions and message."""
    if specification.HasField("document"):
        return instructions_for(specification, SUMMARISE_INSTRUCTIONS), summarise_message(specification)
    if specification.HasField("revision"):
        return instructions_for(specification, REVISE_INSTRUCTIONS), revise_message(specification.revision)
    message = expand_message(specification.idea, specification.context)
    return instructions_for(specification, EXPAND_INSTRUCTIONS), message


def _read_proposal(canary: Canary, text: str, attempt: attempt_pb2.Attempt) -> Expanded:
    """The proposal in the model's text; a blank optional string is absent."""
    canary.watch(text)
    reading = read_output(ProposalOutput, text)
    output = reading.output
    proposal = proposal_pb2.Proposal(
        title=output.title or "",
        summary=output.summary or "",
        problem_statement=output.problem_statement,
        proposed_solution=output.proposed_solution,
        assumptions=output.assumptions,
        scope_non_goals=output.scope_non_goals,
        raw_expanded_proposal=output.raw_expanded_proposal or "",
    )
    cut = fit(proposal, ("assumptions", "scope_non_goals"), PROPOSAL_BYTES)
    note_mended(attempt, reading.mended, tuple(dict.fromkeys(reading.truncated_fields + cut)))
    found = suspicions([(PROPOSAL, proposal_words(proposal))])
    return Expanded(proposal, (*found, *canary.suspicions(PROPOSAL)))
