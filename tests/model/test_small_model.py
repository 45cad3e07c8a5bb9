"""The pair asks a real model, small as it is: a decision, or a failure that names its true cause."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from consensus.v1 import attempt_pb2, errors_pb2, review_service_pb2, run_pb2
from tests.support.pair import Pair, running_pair

IDEA = "Let readers of our library app reserve a book. A reader is told by mail once it is there."
OPTIONS = review_service_pb2.ReviewOptions(quorum=run_pb2.Quorum(min_personas=3), max_retries_per_persona=3)
OPTIONS.retry_initial_backoff.FromMilliseconds(100)
PROTOCOLS = ["responses", "chat_completions"]

# What a model this small can do wrong by itself, and what the service makes of it.
ITS_OWN_FAULTS = {
    errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
    errors_pb2.ERROR_REASON_LLM_TRUNCATED_OUTPUT,
    errors_pb2.ERROR_REASON_LLM_TIMEOUT,
}


def route(url: str, protocol: str) -> str:
    """llama.cpp enforces a schema in Chat Completions alone; two calls at once fill its slots."""
    enforced = "json_schema" if protocol == "chat_completions" else "prompt"
    return f"""
[routes.default]
base_url = "{url}"
protocol = "{protocol}"
structured_output = "{enforced}"
model = "smollm2"
context_window = 8192
max_output_tokens = 1000
max_concurrency = 2
attempt_timeout_seconds = 240
slow = true
"""


@pytest.fixture(params=PROTOCOLS)
def pair(request: pytest.FixtureRequest, tmp_path: Path, llama_url: str) -> Iterator[Pair]:
    """A pair whose one route is that server, by one of the protocols."""
    routes = tmp_path / "routes.toml"
    routes.write_text(route(llama_url, request.param), encoding="utf-8")
    settings = {"MODEL_ROUTES": str(routes), "OPENAI_MODEL": "smollm2", "OPENAI_BASE_URL": ""}
    with running_pair(tmp_path, f"sqlite:///{tmp_path / 'consensus.db'}", review=settings) as running:
        yield running


@pytest.mark.timeout(700)
async def test_a_review_is_decided_or_fails_by_what_the_model_did(pair: Pair) -> None:
    async with pair.client() as client:
        request = review_service_pb2.StartReviewRequest(
            review=review_service_pb2.ReviewInput(idea=IDEA, options=OPTIONS)
        )
        started = (await client.review.StartReview(request, timeout=30)).run
        with suppress(grpc.aio.AioRpcError):  # the status of a failed run
            await client.watch(started.run_id)
        run = await client.get(started.run_id)
        page = await client.review.ListAttempts(
            review_service_pb2.ListAttemptsRequest(run_id=run.run_id, page_size=100)
        )
    for each in page.attempts:
        print(each.step, each.attempt_number, attempt_pb2.AttemptState.Name(each.state), each.message[:200])
    asked = [each for each in page.attempts if each.state == attempt_pb2.ATTEMPT_STATE_SUCCEEDED]
    failed = [each for each in page.attempts if each.state == attempt_pb2.ATTEMPT_STATE_FAILED]
    assert {each.reason for each in failed} <= ITS_OWN_FAULTS
    assert all(each.message for each in failed)
    assert all(each.answered_model == "smollm2" and each.usage.input_tokens > 0 for each in asked)
    if run.state == run_pb2.RUN_STATE_COMPLETED:
        assert len(run.persona_reviews) >= 3
        assert run.HasField("decision")
    else:
        assert run.state == run_pb2.RUN_STATE_FAILED
        assert run.failure.reason in ITS_OWN_FAULTS | {errors_pb2.ERROR_REASON_QUORUM_NOT_MET}
        assert failed
