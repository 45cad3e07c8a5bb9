"""A handler of plain HTTP ends with its caller."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message

from consensus_door.plain.answering import with_problems


def request_of(*messages: Message) -> Request:
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


WHOLE: Message = {"type": "http.request", "body": b"{}", "more_body": False}


async def test_who_leaves_ends_what_is_done_for_them() -> None:
    ended = asyncio.Event()

    async def waiting(_request: Request) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    request = request_of(WHOLE, {"type": "http.disconnect"})
    answer = await asyncio.wait_for(with_problems(waiting)(request), 10)
    assert ended.is_set()
    assert answer.status_code == 499  # for the log and the metrics alone


async def test_who_stays_is_answered_from_the_body_that_came() -> None:
    async def answering(request: Request) -> Response:
        await asyncio.sleep(0)
        return PlainTextResponse(await request.body())

    answer = await with_problems(answering)(request_of(WHOLE))
    assert answer.body == b"{}"
