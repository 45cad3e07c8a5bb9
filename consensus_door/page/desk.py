"""What every page is answered with: the services, the templates, and the browser's session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consensus.v1 import review_service_pb2, run_pb2
from consensus_contract.errors import ConsensusError
from consensus_door.page.rendering import Rendering
from consensus_door.page.sessions import Session, Sessions
from consensus_door.problems import told_of
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services
from consensus_rpc.errors import CredentialEnded, InvalidField, Unauthenticated

_MOST_FIELDS = 20
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers browsers; `may_act` is False where pages only show. A page has `page_seconds` to come."""

    services: Services
    rendering: Rendering
    sessions: Sessions
    may_act: bool
    page_seconds: float

    def session(self, request: Request) -> Session:
        """The browser's, or one that begins here.

        Raises:
            Unauthenticated: it comes with what can be no credential.
        """
        return self.sessions.of(request) or Session.begun()

    def credential(self, request: Request) -> Credential:
        """What the services are asked with.

        Raises:
            Unauthenticated: likewise.
        """
        return self.session(request).credential

    def page(
        self,
        request: Request,
        template: str,
        values: Mapping[str, Any],
        status: int = 200,
        session: Session | None = None,
    ) -> Response:
        """A whole page; whoever has no session has one then, so that its forms are taken."""
        session = session or self.session(request)
        response = self.rendering.page(template, {**values, "me": self.me(session)}, status)
        if self.sessions.of(request) is None:
            self.sessions.keep(response, session, is_secure=is_secure(request))
        return response

    def me(self, session: Session) -> dict[str, Any]:
        """What templates are told of the session: never its credential."""
        return {
            "token": self.sessions.token(session),
            "is_signed_in": bool(session.credential.text),
            "may_act": self.may_act,
            "key": uuid4().hex,  # of one form: sent twice, it has no second effect
        }

    def problem(self, request: Request, error: ConsensusError) -> Response:
        """The page for an error; where a credential is missing, the one to sign in at."""
        told = told_of(error)
        if isinstance(error, Unauthenticated | CredentialEnded):
            return self.sign_in(request, told["detail"], _here(request), told["status"])
        return self.page(request, "problem.html", {"told": told}, told["status"], _known(self, request))

    def sign_in(self, request: Request, said: str, back: str, status: int) -> Response:
        """The page to sign in at."""
        values = {"said": said, "back": local(back)}
        return self.page(request, "sign_in.html", values, status, _known(self, request))

    def refused(
        self, request: Request, template: str, values: Mapping[str, Any], told: Mapping[str, Any]
    ) -> Response:
        """A form that was not taken, with what was typed into it."""
        values = {**values, "told": told}
        return self.page(request, template, values, told["status"], _known(self, request))

    async def read(self, run_id: str, credential: Credential) -> run_pb2.Run:
        """A run, whole.

        Raises:
            ConsensusError: there is none, or it may not be read.
        """
        answer = await self.services.ask(review_service_pb2.GetRunRequest(run_id=run_id), credential)
        run: run_pb2.Run = answer.run
        return run


async def form_of(request: Request) -> dict[str, str]:
    """What a form says; of a field that stands twice the last, with line ends as everywhere else.

    Raises:
        InvalidField: it is no form, or says more than any of ours.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise InvalidField(field="Content-Type", description=f"must be {_FORM}")
    try:
        told = parse_qsl(
            (await request.body()).decode(),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise InvalidField(field="body", description="is no form of the page's") from None
    return {name: value.replace("\r\n", "\n") for name, value in told}


def seen(path: str, **query: str) -> Response:
    """Leads a browser to what became of its form, so that loading it again sends nothing again."""
    return RedirectResponse(path + (f"?{urlencode(query)}" if query else ""), 303)


def local(path: str) -> str:
    """A path of the door, whatever somebody made of the address that leads here."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_ours and path.isascii() and path.isprintable() else "/runs"


def is_secure(request: Request) -> bool:
    """Whether the browser speaks HTTPS, to the door or to a proxy in front of it."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _here(request: Request) -> str:
    """Where to go on after signing in: forms are not sent again."""
    if request.method != "GET":
        return "/runs"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _known(desk: Desk, request: Request) -> Session:
    """The session, or a new one where what came can be no credential."""
    try:
        return desk.session(request)
    except Unauthenticated:
        return Session.begun()
