"""A route that is down: its fallback answers, and everything says so; both down: an error per persona."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consensus.v1 import attempt_pb2, errors_pb2, review_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import QuorumNotMet
from consensus_rpc.channel.status import contract_errors
from tests.support.pair import Pair
from tests.support.providers import Provider

StartPair = Callable[..., Pair]
IDEA = "We send reminders to readers."
OPTIONS = review_service_pb2.ReviewOptions(review_model="near:tiny", max_retries_per_persona=1)


def dead_address() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def routes(folder: Path, near: str, far: str) -> dict[str, str]:
    file = folder / "routes.toml"
    file.write_text(
        f'[routes.near]\nbase_url = "{near}"\nmodel = "tiny"\nfallback = ["far"]\n'
        f'[routes.far]\nbase_url = "{far}"\nmodel = "large"\n',
        encoding="utf-8",
    )
    return {"MODEL_ROUTES": str(file), "RETRY_INITIAL_BACKOFF_SECONDS": "0.1"}


async def test_the_run_ends_on_the_fallback_and_says_so(start_pair: StartPair, tmp_path: Path) -> None:
    async with Provider().serving() as provider:
        pair = await asyncio.to_thread(start_pair, review=routes(tmp_path, dead_address(), provider.base_url))
        async with pair.client() as client:
            events = await client.stream(IDEA, options=OPTIONS)
            run = await client.get(events[0].run_id)
            page = await client.review.ListAttempts(
                review_service_pb2.ListAttemptsRequest(run_id=run.run_id, page_size=100)
            )
    assert run.state == run_pb2.RUN_STATE_COMPLETED
    failed = [event.attempt_failed for event in events if event.HasField("attempt_failed")]
    assert {event.route for event in failed} == {"near"}
    assert "far" in {event.fallback_route for event in failed}
    by_review = [each for each in page.attempts if each.step == "review_critic"]
    assert [each.route for each in by_review][-1] == "far"
    assert by_review[-1].state == attempt_pb2.ATTEMPT_STATE_SUCCEEDED
    assert {review.provenance.route for review in run.persona_reviews} == {"far"}
    assert {each.requested_model for each in run.turnout.personas} >= {"near:tiny"}


async def test_with_both_routes_down_each_persona_has_a_clear_error_and_the_run_is_resumable(
    start_pair: StartPair, tmp_path: Path
) -> None:
    pair = await asyncio.to_thread(start_pair, review=routes(tmp_path, dead_address(), dead_address()))
    async with pair.client() as client:
        call = client.review.StreamReview(
            review_service_pb2.StreamReviewRequest(
                review=review_service_pb2.ReviewInput(idea=IDEA, options=OPTIONS)
            )
        )
        events: list[run_event_pb2.RunEvent] = []
        with pytest.raises(QuorumNotMet):
            await _follow(call, events)
    assert events[-1].HasField("run_failed")
    failure = events[-1].run_failed.failure
    assert failure.resumable
    assert len(failure.persona_failures) == 5
    assert {each.reason for each in failure.persona_failures} == {errors_pb2.ERROR_REASON_LLM_UNAVAILABLE}
    assert {each.cause for each in failure.persona_failures} == {"connection_refused"}
    messages = [event.step_failed.failure.message for event in events if event.HasField("step_failed")]
    assert all("far" in message and "near" in message for message in messages)


async def _follow(call: Any, events: list[run_event_pb2.RunEvent]) -> None:
    """Reads a stream to its end, which may be an error."""
    with contract_errors():
        async for message in call:
            events.extend(message.events)
