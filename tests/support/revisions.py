"""What tests of revisions are made of: answers of the model with exact scores, and requests."""

from typing import Any

import grpc
import pytest

from consensus.v1 import review_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.status import error_from_rpc
from offline_model.script import Rule
from tests.support.pair import Client, kinds

SCORES = {
    "architect": 0.65,
    "critic": 0.70,
    "optimist": 0.90,
    "security_guardian": 0.85,
    "user_advocate": 0.80,
}
CRITICAL = {"text": "Tokens are kept for ever", "security_critical": True}


def answer(score: float, *blocking: dict[str, Any]) -> dict[str, Any]:
    """A persona's answer with this score."""
    return {
        "confidence_score": score,
        "strengths": ["It is small"],
        "concerns": [],
        "recommendations": ["Measure it"],
        "blocking_issues": list(blocking),
        "estimated_effort": "a week",
        "dependency_risks": [],
    }


async def script_scores(
    client: Client, mark: str, scores: dict[str, float], *, critical: str = "", run_id: str | None = None
) -> None:
    """The next answer of each persona about this idea has this score."""
    rules = [
        Rule(
            persona=persona,
            contains=mark,
            run_id=run_id,
            times=1,
            override=answer(score, *([CRITICAL] if persona == critical else [])),
        )
        for persona, score in scores.items()
    ]
    await client.model.script(*rules)


async def scored_run(client: Client, idea: str, mark: str) -> str:
    """The id of a completed run with the scores above, the guardian's with a security-critical issue."""
    await script_scores(client, mark, SCORES, critical="security_guardian")
    events = await client.stream(idea)
    assert kinds(events)[-1] == "run_completed"
    return events[0].run_id


def revise_request(parent_run_id: str, **fields: Any) -> review_service_pb2.ReviseRunRequest:
    """A request to revise, by notes unless `fields` say otherwise."""
    if "edited_proposal" not in fields:
        fields.setdefault("edit_notes", "Tokens expire after one hour.")
    return review_service_pb2.ReviseRunRequest(parent_run_id=parent_run_id, **fields)


async def revised(client: Client, parent_run_id: str, **fields: Any) -> run_pb2.Run:
    """The revision of a run, completed."""
    started = (await client.review.ReviseRun(revise_request(parent_run_id, **fields))).run
    events: list[run_event_pb2.RunEvent] = await client.watch(started.run_id)
    assert kinds(events)[-1] == "run_completed"
    run: run_pb2.Run = await client.get(started.run_id)
    return run


async def refusal(call: Any) -> ConsensusError:
    """What a call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return error_from_rpc(caught.value)


async def diff(client: Client, a: str, b: str, **fields: Any) -> review_service_pb2.DiffRunsResponse:
    """A page of a comparison."""
    request = review_service_pb2.DiffRunsRequest(run_id_a=a, run_id_b=b, **fields)
    response: review_service_pb2.DiffRunsResponse = await client.review.DiffRuns(request)
    return response
