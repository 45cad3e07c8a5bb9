"""What stands around handlers: errors are shown as pages, and forms are taken of the session's own alone."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from consensus_contract.errors import ConsensusError
from consensus_door.leaving import Handler, while_there
from consensus_door.page.desk import Desk, form_of
from consensus_door.page.sessions import COOKIE
from consensus_door.services.calling import Credential

Form = Mapping[str, str]
Act = Callable[[Request, Form, Credential], Awaitable[Response]]

_FOREIGN = {
    "title": "Not the form that it must be",
    "detail": "The form is of another session, or of before a restart of the door: load its page again.",
    "reason": "",
    "code": "PERMISSION_DENIED",
    "request_id": "",
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
            return await while_there(request, handler)
        except ConsensusError as error:
            return desk.problem(request, error)

    return answer


def of_own_form(desk: Desk, act: Act) -> Handler:
    """The act, for forms of the session's own alone."""

    async def taken(request: Request) -> Response:
        form = await form_of(request)
        session = desk.sessions.of(request)
        if session is None or not desk.sessions.is_token(session, form.get("token", "")):
            return foreign(desk, request)
        return await act(request, form, session.credential)

    async def answer(request: Request) -> Response:
        try:
            return await while_there(request, taken)
        except ConsensusError as error:
            return desk.problem(request, error)

    return answer


def foreign(desk: Desk, request: Request) -> Response:
    """The page for a form of somebody else."""
    return desk.page(request, "problem.html", {"told": _FOREIGN}, 403)
