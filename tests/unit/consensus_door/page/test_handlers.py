"""What a page waits for ends with its browser."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from consensus_door.page.desk import Desk
from consensus_door.page.handlers import of_own_form, shown
from consensus_door.page.rendering import Rendering
from consensus_door.page.sessions import COOKIE, Session, Sessions

NOBODY: Any = None  # no services are asked
SESSION, SESSIONS = Session.begun(), Sessions()
DESK = Desk(NOBODY, Rendering(), SESSIONS, may_act=True)


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
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


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
