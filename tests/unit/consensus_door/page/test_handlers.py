"""What a page waits for ends with its browser, and in its time."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from consensus_door.page.desk import Desk
from consensus_door.page.handlers import Form, of_own_form, shown
from consensus_door.page.rendering import Rendering
from consensus_door.page.sessions import COOKIE, Session, Sessions

NOBODY: Any = None  # no services are asked
SESSION, SESSIONS = Session.begun(), Sessions()
DESK = Desk(NOBODY, Rendering(), SESSIONS, may_act=True, page_seconds=30)


def left() -> Request:
    """A form of the session's own, whose sender is gone."""
    messages: list[Message] = [
        {"type": "http.request", "body": f"token={SESSIONS.token(SESSION)}".encode(), "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"cookie", f"{COOKIE}={SESSIONS.sealed(SESSION)}".encode()),
    ]
    return Request(
        {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}, receive
    )


@pytest.mark.parametrize("around", [shown, of_own_form])
async def test_whoever_leaves_a_page_before_it_is_there_keeps_no_place(around: Any) -> None:
    ended = asyncio.Event()

    async def waiting(*_: Any) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    await asyncio.wait_for(around(DESK, waiting)(left()), 10)
    assert ended.is_set()


def here() -> Request:
    """A form of the session's own, whose sender waits."""
    body = f"token={SESSIONS.token(SESSION)}&notes=Who+pays%3F".encode()
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return Request({**left().scope}, receive)


@pytest.mark.parametrize("around", [shown, of_own_form])
async def test_a_page_whose_service_hangs_says_so_in_its_time(around: Any) -> None:
    async def hanging(*_: Any) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    answer = await asyncio.wait_for(around(replace(DESK, page_seconds=0.01), hanging)(here()), 60)
    assert answer.status_code == 504
    assert b"CALL_DEADLINE_EXCEEDED" in answer.body


async def test_what_was_written_to_a_service_that_hangs_is_shown_again() -> None:
    async def hanging(*_: Any) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    def again(_: Request, form: Form, told: Any) -> Response:
        return Response(form["notes"], told["status"])

    asked = of_own_form(replace(DESK, page_seconds=0.01), hanging, again=again)
    answer = await asyncio.wait_for(asked(here()), 60)
    assert (answer.status_code, answer.body) == (504, b"Who pays?")
