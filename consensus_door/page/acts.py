"""What the page changes, by forms with their session's token: who is signed in, what becomes of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consensus.v1 import identity_service_pb2, review_service_pb2
from consensus_contract.errors import ConsensusError
from consensus_door.leaving import while_there
from consensus_door.page.desk import Desk, form_of, is_secure, local, seen
from consensus_door.page.handlers import Act, Again, Form, foreign, of_own_form, within
from consensus_door.page.sessions import MOST_CREDENTIAL_CHARACTERS, Session
from consensus_door.page.typed import Typed
from consensus_door.problems import told_of
from consensus_door.services.calling import Credential
from consensus_rpc.errors import InvalidField

_MAY_BE_DONE = frozenset({503, 504})


@dataclass(frozen=True, slots=True)
class Acts:
    """Changes what the caller may change, in the caller's name."""

    desk: Desk

    def routes(self) -> list[Route]:
        """All of it; where the page only shows, signing in and out alone."""
        signing = [
            Route("/sign-in", self.sign_in_page),
            Route("/sign-in", partial(while_there, handler=self.sign_in), methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]
        if not self.desk.may_act:
            return signing
        acts: dict[str, tuple[Act, Again | None]] = {
            "/runs": (self._start, self._again("idea", "new.html")),
            "/runs/{run_id}/cancel": (self._cancel, None),
            "/runs/{run_id}/resume": (self._resume, None),
            "/runs/{run_id}/revise": (self._revise, self._again("notes", "revise.html")),
            "/runs/{run_id}/annotate": (self._annotate, self._again("notes", "annotate.html")),
        }
        return [
            *signing,
            *(
                Route(path, of_own_form(self.desk, act, again=again), methods=["POST"])
                for path, (act, again) in acts.items()
            ),
        ]

    def _again(self, field: str, template: str) -> Again:
        """Shows the form of this template, whose text stands in this field."""

        def again(request: Request, form: Form, told: Mapping[str, Any]) -> Response:
            typed = Typed(
                form.get(field, ""),
                form.get("user", ""),
                # What may have been done already has no second effect.
                form.get("key", "") if told["status"] in _MAY_BE_DONE else "",
            )
            values = {"typed": typed, "run_id": request.path_params.get("run_id", "")}
            return self.desk.refused(request, template, values, told)

        return again

    async def sign_in_page(self, request: Request) -> Response:
        """Where a key is asked for."""
        return self.desk.sign_in(request, "", request.query_params.get("back", ""), 200)

    async def sign_in(self, request: Request) -> Response:
        """Keeps a key that the services know, in a session that begins here."""
        form: Form = {}
        try:
            form = await form_of(request)
            if not self.desk.sessions.is_token(self.desk.sessions.of(request), form.get("token", "")):
                return foreign(self.desk, request)
            credential = _credential(form.get("key", ""))
            asking = self.desk.services.ask(identity_service_pb2.WhoAmIRequest(), credential)
            await within(self.desk.page_seconds, asking)
        except ConsensusError as error:
            told = told_of(error)
            return self.desk.sign_in(request, told["detail"], form.get("back", ""), told["status"])
        response = seen(local(form.get("back", "")))
        self.desk.sessions.keep(response, Session.begun(credential), is_secure=is_secure(request))
        return response

    async def sign_out(self, request: Request) -> Response:
        """Lets the browser forget the key."""
        try:
            form = await form_of(request)
        except ConsensusError as error:
            return self.desk.problem(request, error)
        if not self.desk.sessions.is_token(self.desk.sessions.of(request), form.get("token", "")):
            return foreign(self.desk, request)
        response = seen("/runs")
        self.desk.sessions.forget(response)
        return response

    async def _start(self, _request: Request, form: Form, credential: Credential) -> Response:
        review = review_service_pb2.ReviewInput(idea=form.get("idea", ""), user=form.get("user", ""))
        wanted = review_service_pb2.StartReviewRequest(review=review, idempotency_key=form.get("key", ""))
        return await self._done(wanted, credential)

    async def _cancel(self, request: Request, form: Form, credential: Credential) -> Response:
        wanted = review_service_pb2.CancelRunRequest(
            run_id=request.path_params["run_id"], idempotency_key=form.get("key", "")
        )
        return await self._done(wanted, credential)

    async def _resume(self, request: Request, form: Form, credential: Credential) -> Response:
        wanted = review_service_pb2.ResumeRunRequest(
            run_id=request.path_params["run_id"], idempotency_key=form.get("key", "")
        )
        return await self._done(wanted, credential)

    async def _revise(self, request: Request, form: Form, credential: Credential) -> Response:
        wanted = review_service_pb2.ReviseRunRequest(
            parent_run_id=request.path_params["run_id"],
            edit_notes=form.get("notes", ""),
            user=form.get("user", ""),
            idempotency_key=form.get("key", ""),
        )
        return await self._done(wanted, credential)

    async def _annotate(self, request: Request, form: Form, credential: Credential) -> Response:
        wanted = review_service_pb2.AnnotateDecisionRequest(
            run_id=request.path_params["run_id"],
            decision_notes=form.get("notes", ""),
            idempotency_key=form.get("key", ""),
        )
        return await self._done(wanted, credential)

    async def _done(self, wanted: Message, credential: Credential) -> Response:
        """The way to the run that the answer names."""
        answer = await self.desk.services.ask(wanted, credential)
        return seen(f"/runs/{answer.run.run_id}")


def _credential(key: str) -> Credential:
    key = key.strip()
    if not key or len(key) > MOST_CREDENTIAL_CHARACTERS or not all("!" <= each <= "~" for each in key):
        raise InvalidField(field="key", description="is no key or token that the page can keep")
    return Credential(f"Bearer {key}")
