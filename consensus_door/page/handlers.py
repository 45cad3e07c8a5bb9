"""What stands around handlers: errors are shown as pages, and forms are taken of the session's own alone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from consensus_contract.errors import ConsensusError
from consensus_door.leaving import Handler, while_there
from consensus_door.page.desk import Desk, form_of
from consensus_door.page.sessions import COOKIE
from consensus_door.problems import told_of
from consensus_door.services.calling import Credential
from consensus_rpc.errors import CallDeadlineExceeded

Form = Mapping[str, str]
Act = Callable[[Request, Form, Credential], Awaitable[Response]]
Again = Callable[[Request, Form, Mapping[str, Any]], Response]
"""Shows a form with what was typed into it, and why it was not taken."""

T = TypeVar("T")

_FOREIGN = {
    "title": "Not the form that it must be",
    "detail": "The form is of another session, or of before a restart of the door: load its page again.",
    "status": 403,
    "reason": "",
    "code": "PERMISSION_DENIED",
    "request_id": "",
}
_FOREIGN_TYPED = {
    **_FOREIGN,
    "detail": "The form was of another session, or of before a restart of the door: send this one.",
}


def shown(desk: Desk, handler: Handler) -> Handler:
    """The handler, whose errors are shown as pages.

    A browser that comes by a link from elsewhere brings no cookie, since that is of this site alone. It is
    told to ask again, which is this site's doing then.
    """

    async def answer(request: Request) -> Response:
        is_from_elsewhere = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
        if is_from_elsewhere and COOKIE not in request.cookies:
            return desk.rendering.page("again.html", {})
        try:
            return await within(desk.page_seconds, while_there(request, handler))
        except ConsensusError as error:
            return desk.problem(request, error)

    return answer


def of_own_form(desk: Desk, act: Act, *, again: Again | None = None, seconds: float | None = None) -> Handler:
    """The act, for forms of the session's own alone; it has so long, else as long as any page.

    What somebody wrote is not lost where it is not taken: `again` shows its form with it.
    """

    async def taken(request: Request) -> Response:
        form = await form_of(request)
        session = desk.sessions.of(request)
        if session is None or not desk.sessions.is_token(session, form.get("token", "")):
            return foreign(desk, request) if again is None else again(request, form, _FOREIGN_TYPED)
        try:
            return await within(seconds or desk.page_seconds, act(request, form, session.credential))
        except ConsensusError as error:
            if again is None:
                raise
            return again(request, form, told_of(error))

    async def answer(request: Request) -> Response:
        try:
            return await while_there(request, taken)
        except ConsensusError as error:
            return desk.problem(request, error)

    return answer


async def within(seconds: float, answer: Awaitable[T]) -> T:
    """The answer, waited for so long: somebody looks at a page that does not come.

    Raises:
        CallDeadlineExceeded: it takes longer.
    """
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise CallDeadlineExceeded from None


def foreign(desk: Desk, request: Request) -> Response:
    """The page for a form of somebody else."""
    return desk.page(request, "problem.html", {"told": _FOREIGN}, 403)
