"""What a provider's refusal is, end to end: in the command's error, in the run, and with the attempt."""

import asyncio
import json
from typing import NamedTuple

from consensus.v1 import attempt_pb2, review_service_pb2
from consensus_contract.errors import reason_name
from tests.integration.conftest import StartPair
from tests.integration.test_consensus_command import consensus
from tests.support.hostile_provider import HostileProvider, raw_answer
from tests.support.pair import Pair
from tests.support.raw_provider import http

PAGE = b"<html><title>Just a moment</title></html>"


class Refusal(NamedTuple):
    """An answer, and what is to be said of it."""

    raw: bytes
    reason: str
    cause: str
    says: str


def error(status: str, code: str = "", **fields: str) -> bytes:
    body = {"error": {"message": "Words of the provider.", "code": code, "type": "t", **fields}}
    return http(json.dumps(body).encode(), "Content-Type: application/json", status=status)


REFUSALS = {
    "model": Refusal(
        error("404 Not Found", "model_not_found", param="model"),
        "LLM_REQUEST_REJECTED",
        "model_not_found",
        "name a model",
    ),
    "path": Refusal(error("404 Not Found"), "LLM_REQUEST_REJECTED", "path_not_found", "OPENAI_BASE_URL"),
    "money": Refusal(error("402 Payment Required"), "LLM_QUOTA_EXHAUSTED", "quota", "money or quota"),
    "spent": Refusal(
        error("429 Too Many Requests", "insufficient_quota"), "LLM_QUOTA_EXHAUSTED", "quota", "money or quota"
    ),
    "region": Refusal(
        error("403 Forbidden", "unsupported_country_region_territory"),
        "LLM_REQUEST_REJECTED",
        "region",
        "call from a region",
    ),
    "challenge": Refusal(
        http(PAGE, "Content-Type: text/html", status="403 Forbidden"),
        "LLM_REQUEST_REJECTED",
        "bot_challenge",
        "stands before",
    ),
    "key": Refusal(error("401 Unauthorized", "invalid_api_key"), "LLM_AUTHENTICATION", "", "OPENAI_API_KEY"),
    "rate": Refusal(error("429 Too Many Requests"), "LLM_RATE_LIMITED", "", "go on"),
    "value": Refusal(
        error("400 Bad Request", "unsupported_value", param="temperature"),
        "LLM_REQUEST_REJECTED",
        "",
        "resuming cannot help",
    ),
}


async def test_each_refusal_is_told_apart_in_the_error_itself(start_pair: StartPair) -> None:
    provider = HostileProvider()
    async with provider.serving():
        settings = {
            "OPENAI_BASE_URL": f"http://{provider.address}/v1",
            "MAX_RETRIES_PER_PERSONA": "1",
            "LOG_LEVEL": "DEBUG",
        }
        pair = await asyncio.to_thread(lambda: start_pair(review=settings))
        for name, refusal in REFUSALS.items():
            provider.answer(raw_answer(refusal.raw), f"case-{name}-end")
            await _is_told(pair, f"case-{name}-end lets two wards swap.", refusal)
        assert "Words of the provider" not in await asyncio.to_thread(_logs, pair)


def _logs(pair: Pair) -> str:
    assert pair.review is not None
    assert pair.persistence is not None
    return pair.review.logged() + pair.persistence.logged()


async def _is_told(pair: Pair, idea: str, refusal: Refusal) -> None:
    done = await asyncio.to_thread(consensus, pair, "review", idea)
    said = done.stderr
    assert done.returncode == 1, said
    assert f"[{refusal.reason}]" in said
    assert refusal.cause in said
    assert refusal.says in said
    assert "malformed" not in said

    async with pair.client() as client:
        [run] = [
            each
            for each in (await client.review.ListRuns(review_service_pb2.ListRunsRequest())).runs
            if each.specification.idea == idea
        ]
        request = review_service_pb2.ListAttemptsRequest(run_id=run.run_id)
        *_, attempt = (await client.review.ListAttempts(request)).attempts
        run = await client.get(run.run_id)
    assert attempt.state == attempt_pb2.ATTEMPT_STATE_FAILED
    assert (reason_name(attempt.reason), attempt.cause) == (refusal.reason, refusal.cause)
    assert (run.failure.cause, run.steps[0].failure.cause) == (refusal.cause, refusal.cause)
    assert run.failure.provider_code == attempt.provider_code
    assert run.failure.resumable is ("resuming cannot help" not in said)
    if b"Words of the provider" in refusal.raw:
        assert attempt.provider_message == "Words of the provider."
        listed = await asyncio.to_thread(consensus, pair, "attempts", run.run_id, "--json")
        assert json.loads(listed.stdout.splitlines()[-1])["providerMessage"] == "Words of the provider."
    assert ("parameter temperature" in said) is (attempt.provider_param == "temperature")
