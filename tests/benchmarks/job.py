"""The job that all contenders do: the same prompts, answers of 2 KB and 1.5 KB, the same five personas."""

import json
from collections.abc import Sequence
from typing import Any

from consensus.v1 import proposal_pb2
from review_service.personas.panel import load_panel
from review_service.steps.prompts import expand_message, persona_message, proposal_text, review_message

IDEA = (
    "Let readers save articles to a list of their own and read them offline on the train. "
    "Success is that one reader in five saves at least one article a week within three months. "
    "A save is undone with one tap, and the list is deleted with the account."
)


def _text(start: str, characters: int) -> str:
    filler = " The text goes on so that it has the length of a real answer."
    return (start + filler * (characters // len(filler) + 1))[:characters]


PROPOSAL = json.dumps(
    {
        "title": "Read later",
        "summary": _text("A list of saved articles.", 200),
        "problem_statement": _text("Readers lose articles.", 400),
        "proposed_solution": _text("A button saves an article.", 600),
        "assumptions": [_text("Readers have accounts.", 100)] * 2,
        "scope_non_goals": [_text("Sharing lists with others.", 80)] * 2,
        "raw_expanded_proposal": _text("In prose.", 300),
    }
)
REVIEW = json.dumps(
    {
        "confidence_score": 0.82,
        "strengths": [_text("It is small.", 120)] * 3,
        "concerns": [{"text": _text("Offline reading needs storage.", 150), "is_blocking": False}] * 2,
        "recommendations": [_text("Measure it in the first week.", 120)] * 3,
        "blocking_issues": [],
        "estimated_effort": _text("Two weeks for two people.", 80),
        "dependency_risks": [_text("The app's release train.", 100)],
    }
)
_EXPANDED = {key: value for key, value in json.loads(PROPOSAL).items() if value is not None}
PROPOSAL_MESSAGE = proposal_pb2.Proposal(**_EXPANDED)

EXPAND_MESSAGE = expand_message(IDEA, None)
REVIEW_MESSAGE = review_message(proposal_text(PROPOSAL_MESSAGE))
PERSONA_MESSAGES = {
    member.persona_id: persona_message(member.persona_id, member.instructions)
    for member in load_panel().members
}
CALLS_IN_SEQUENCE = 2
"""The expansion, then the panel: a review takes twice the model's latency, and what is added."""


def decide(scores: Sequence[float]) -> dict[str, Any]:
    """A decision of about 1 KB."""
    return {"confidence": sum(scores) / len(scores), "scores": list(scores), "why": "x" * 900}
