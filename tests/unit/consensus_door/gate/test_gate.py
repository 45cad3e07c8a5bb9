"""What passes the gate, what it refuses itself, and what each answer carries."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consensus_door.gate.body import Bodies
from consensus_door.gate.gate import Gate
from consensus_door.gate.origins import Origins
from consensus_door.metrics import DoorMetrics
from consensus_rpc.server.admission import Admission

HOST = (b"host", b"door.example")


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says what it was given."""
    message = await receive()
    await PlainTextResponse(message["body"])(scope, receive, send)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a secret")


def gate(app: ASGIApp = served, *, most_calls: int = 1) -> Gate:
    return Gate(
        app=app,
        origins=Origins.of("door.example", ""),
        admission=Admission(most_calls),
        bodies=Bodies(1000, 5),
        max_header_bytes=1024,
        metrics=DoorMetrics(CollectorRegistry()),
    )


async def ask(
    asked: Gate,
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: bytes = b"/x",
    is_whole: bool = True,
) -> tuple[Response, bytes]:
    """The answer, and its body; of a request that is not whole the rest never comes."""
    said: list[Message] = []
    parts: list[Message] = [{"type": "http.request", "body": b"hello", "more_body": not is_whole}]

    async def receive() -> Message:
        if not parts:
            await asyncio.Event().wait()
        return parts.pop()

    async def send(message: Message) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": method, "path": path.decode(), "raw_path": path, "query_string": b"",
        "headers": list(headers),
    }  # fmt: skip
    await asked(scope, receive, send)
    answer = Response(status_code=said[0]["status"])
    answer.raw_headers = said[0]["headers"]
    return answer, b"".join(each.get("body", b"") for each in said[1:])


async def test_what_may_come_in_is_served_and_its_answer_may_not_be_kept_or_embedded() -> None:
    answer, body = await ask(gate(), HOST, (b"x-request-id", b"mine-1"))
    assert (answer.status_code, body) == (200, b"hello")
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


REFUSED: dict[str, tuple[int, dict[str, Any], list[tuple[bytes, bytes]]]] = {
    "another host": (421, {}, [(b"host", b"evil.example")]),
    "no host": (421, {}, []),
    "two hosts": (400, {}, [HOST, HOST]),
    "two credentials": (400, {}, [HOST, (b"authorization", b"a"), (b"authorization", b"b")]),
    "a page of elsewhere": (403, {}, [HOST, (b"origin", b"https://evil.example")]),
    "another method": (405, {"method": "DELETE"}, [HOST]),
    "many headers": (431, {}, [HOST, *((b"x", b"") for _ in range(100))]),
    "large headers": (431, {}, [HOST, (b"x", b"x" * 1024)]),
    "a long path": (431, {"path": b"/" * 1025}, [HOST]),
}


@pytest.mark.parametrize(("status", "how", "headers"), REFUSED.values(), ids=REFUSED)
async def test_what_must_not_come_in_is_refused_and_its_connection_ends(
    status: int, how: dict[str, Any], headers: list[tuple[bytes, bytes]]
) -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    answer, _ = await ask(gate(never), *headers, **how)
    assert (answer.status_code, answer.headers["connection"]) == (status, "close")


async def test_a_body_that_comes_too_late_is_its_callers_doing() -> None:
    asked = gate()
    asked.bodies.seconds = 0.01
    answer, _ = await ask(asked, HOST, is_whole=False)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")


async def test_beyond_the_calls_at_once_it_is_busy_and_a_place_is_given_back() -> None:
    asked = gate()
    asked.admission.enter()
    answer, body = await ask(asked, HOST)
    assert answer.status_code == 503
    assert b'"OVERLOADED"' in body
    assert answer.headers["retry-after"] == "1"
    asked.admission.leave()
    for _ in range(2):
        answer, _ = await ask(asked, HOST)
        assert answer.status_code == 200


async def test_an_unexpected_failure_tells_strangers_nothing_and_gives_its_place_back() -> None:
    asked = gate(failing)
    answer, body = await ask(asked, HOST)
    assert answer.status_code == 500
    assert b"secret" not in body
    assert asked.admission.in_flight == 0
