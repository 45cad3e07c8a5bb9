"""A hostile model: answers of all shapes that providers, proxies and models send, and of worse ones."""

import asyncio
import gzip
import json
from collections import Counter
from typing import Any

import grpc

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.status import contract_errors
from tests.hostile.attack import Attack, Target
from tests.support.hostile_provider import Answer, raw_answer
from tests.support.pair import review_request
from tests.support.raw_provider import envelope, http

_AT_ONCE = 4
_MIB = 1_048_576
_LARGE_MIB = 150
_ANSWERS_MIB = _AT_ONCE * 5 * 4
"""What the answers of all personas may take: MODEL_MAX_ANSWER_BYTES each."""
_JSON = "Content-Type: application/json"
_GZIP = "Content-Encoding: gzip"


def _attack(
    name: str, sends: str, answer: Answer, *may_end: str, only: str = "", documented_mib: int = 0
) -> Attack:
    """A round: reviews of which every call, or those that hold `only`, gets this answer."""
    mark = f"hostile-{name.replace(' ', '-')}-mark"

    async def act(target: Target) -> Counter[str]:
        target.provider.answer(answer, mark, only)
        return Counter(await asyncio.gather(*(_review(target, mark) for _ in range(_AT_ONCE))))

    return Attack(f"model: {name}", sends, act, frozenset(may_end), documented_mib)


async def _review(target: Target, mark: str) -> str:
    """How one review ends; and whether it can be read back."""
    stub: Any = review_service_pb2_grpc.ReviewServiceStub(target.review)
    run_id, end = "", "OK"
    try:
        with contract_errors():
            async for answer in stub.StreamReview(review_request(f"{mark} lets wards swap."), timeout=60):
                run_id = answer.events[0].run_id
    except ConsensusError as error:
        end = error.reason_name
    try:
        await stub.GetRun(review_service_pb2.GetRunRequest(run_id=run_id), timeout=10)
    except grpc.aio.AioRpcError as error:
        return f"not read back: {error.code().name}"
    return end


def _pouring(status: str) -> Answer:
    """A body without an end, or nearly."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {_LARGE_MIB * _MIB}\r\n\r\n".encode())
        for _piece in range(_LARGE_MIB):
            writer.write(_A_MIB)
            await writer.drain()

    return answer


def _saying(said: object) -> bytes:
    """The model's own words, in an envelope as it should be."""
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return http(json.dumps(envelope(text), ensure_ascii=False).encode(), _JSON)


def _largest() -> object:
    """A review whose lists and texts are far beyond their bounds, three bytes a character."""
    texts = ["\u4e16" * 4_100] * 55
    return {
        "confidence_score": 0.8,
        "strengths": texts,
        "concerns": [{"text": each, "is_blocking": False} for each in texts],
        "recommendations": texts,
        "blocking_issues": [],
        "estimated_effort": "a week",
        "dependency_risks": texts,
    }


_A_MIB = b"x" * _MIB
_BOMB = gzip.compress(b" " * (300 * _MIB), 9)

_UNAVAILABLE, _INVALID = "LLM_UNAVAILABLE", "LLM_INVALID_OUTPUT"
_PAGE = http(b"<html>" * 1_000, "Content-Type: text/html")
_HALF = http(gzip.compress(b"{}" * 500)[:20], _GZIP)
_DEEP = http(b"[" * 200_000, _JSON)
_WIDE = "{" + ",".join(['"a":1'] * 1_000_000) + "}"
_ODD_WAIT = http(b"{}", "Retry-After: Fri, 31 Dec 99999 23:59:59 GMT", status="429 Slow")
_NONSENSE = '{"confidence_score": NaN, "title": "\\ud800"}'

ATTACKS = (
    _attack("bomb", "300 MiB in 300 KB of gzip, status 200", raw_answer(http(_BOMB, _GZIP)), _INVALID),
    _attack(
        "bomb as error",
        "the same with status 500",
        raw_answer(http(_BOMB, _GZIP, status="500 No")),
        _UNAVAILABLE,
    ),
    _attack("endless", "bodies of 150 MiB", _pouring("200 OK"), _INVALID),
    _attack("endless error", "errors of 150 MiB", _pouring("400 Bad Request"), "LLM_REQUEST_REJECTED"),
    _attack("page", "HTML with status 200", raw_answer(_PAGE), _UNAVAILABLE),
    _attack("cut gzip", "half of a compressed answer", raw_answer(_HALF), _UNAVAILABLE),
    _attack("deep", "200,000 brackets", raw_answer(_DEEP), _UNAVAILABLE),
    _attack("wide", "a million fields in the answer", raw_answer(_saying(_WIDE)), _INVALID),
    _attack("odd wait", "Retry-After in the year 99999", raw_answer(_ODD_WAIT), "LLM_RATE_LIMITED"),
    _attack("nonsense", "NaN, half of a surrogate pair", raw_answer(_saying(_NONSENSE)), _INVALID),
    _attack("no HTTP", "bytes that are no HTTP", raw_answer(b"\0" * 100_000), _UNAVAILABLE),
    _attack(
        "largest",
        "reviews beyond each bound",
        raw_answer(_saying(_largest())),
        "OK",
        only="persona_review",
        documented_mib=_ANSWERS_MIB,
    ),
)
