"""A real offline model on loopback, the openai package that calls it, and requests."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient

from offline_model.control_client import ControlClient
from offline_model.server import OfflineModel

IDEA = "We send reminders to patients who gave their consent. We roll back within a minute."
PROPOSAL: dict[str, Any] = {
    "title": "Reminders",
    "summary": None,
    "problem_statement": "Patients forget appointments.",
    "proposed_solution": IDEA,
    "assumptions": [],
    "scope_non_goals": [],
    "raw_expanded_proposal": None,
}
PROPOSAL_SCHEMA = {
    "type": "object",
    "properties": {"problem_statement": {"type": "string"}},
    "additionalProperties": False,
}
REVIEW_SCHEMA = {
    "type": "object",
    "properties": {"confidence_score": {"type": "number"}},
    "additionalProperties": False,
}


def fenced(name: str, text: str) -> str:
    """Fence a text as data, as the prompts of the review service do."""
    mark = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f'<data name="{name}" id="{mark}">\n{text}\n</data id="{mark}">'


def _format(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "strict": True, "name": name, "schema": schema}}


def expansion(idea: str = IDEA, run_id: str = "run-1", attempt: int = 1, **extra: Any) -> dict[str, Any]:
    """Return the parameters of an expansion."""
    return {
        "model": "gpt-offline",
        "instructions": "Expand the idea.",
        "input": [{"role": "user", "content": f"The idea:\n{fenced('idea', idea)}"}],
        "metadata": {"run_id": run_id, "step": "expand", "attempt": str(attempt)},
        "store": False,
        "text": _format("proposal", PROPOSAL_SCHEMA),
        **extra,
    }


def persona_review(
    persona: str = "critic", run_id: str = "run-1", attempt: int = 1, proposal: Any = None, **extra: Any
) -> dict[str, Any]:
    """Return the parameters of a review."""
    text = json.dumps(proposal or PROPOSAL)
    metadata = {"run_id": run_id, "step": f"review_{persona}", "persona": persona, "attempt": str(attempt)}
    return {
        "model": "gpt-offline",
        "instructions": "Review the proposal.",
        "input": [
            {"role": "user", "content": f"The proposal:\n{fenced('proposal', text)}"},
            {"role": "user", "content": f"Persona: {persona}\nLook at risks."},
        ],
        "metadata": metadata,
        "store": False,
        "text": _format("persona_review", REVIEW_SCHEMA),
        **extra,
    }


@dataclass(frozen=True)
class Asking:
    """The builders of requests, for tests to ask with."""

    expansion: Callable[..., dict[str, Any]] = expansion
    review: Callable[..., dict[str, Any]] = persona_review
    fenced: Callable[[str, str], str] = fenced


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
async def model() -> AsyncIterator[OfflineModel]:
    async with OfflineModel.start() as started:
        yield started


@pytest.fixture
async def control(model: OfflineModel) -> AsyncIterator[ControlClient]:
    async with ControlClient(model.base_url) as client:
        yield client


@pytest.fixture
async def client(model: OfflineModel) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key="any-key", base_url=model.base_url, max_retries=0, http_client=DefaultAioHttpClient()
    ) as made:
        yield made


@pytest.fixture
def answered(client: AsyncOpenAI) -> Callable[..., Awaitable[Any]]:
    """Ask and return the parsed JSON of the answer's text."""

    async def ask(parameters: dict[str, Any]) -> Any:
        raw = await client.responses.with_raw_response.create(**parameters)
        return json.loads(raw.parse().output_text)

    return ask
