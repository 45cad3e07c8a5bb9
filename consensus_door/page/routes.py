"""The routes of the page: runs, one of them while it goes on, and its attempts."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client.reconnecting import is_cut
from consensus_contract.errors import ConsensusError
from consensus_door.event_streams import event_stream
from consensus_door.page.desk import Desk
from consensus_door.page.handlers import shown
from consensus_door.page.refreshing import LIVE, Refreshing
from consensus_door.page.revisions import RevisionList, Revisions
from consensus_door.page.run_list import CHOICES, read_runs
from consensus_door.page.sessions import Session
from consensus_door.page.typed import Typed
from consensus_door.page.view import RunView, attempt_view, run_row, run_view
from consensus_door.page.watching import Watching
from consensus_door.plain.operations import Operation
from consensus_door.plain.requests import after_sequence
from consensus_door.problems import told_of
from consensus_door.rpc.packed import turned

# A page asks again after half a second where nobody tells it otherwise: too often while a service is away.
_AGAIN = "event: again\nretry: 3000\ndata: later\n\n"


@dataclass(frozen=True, slots=True)
class Page:
    """Shows what the caller may read."""

    desk: Desk
    offered: Sequence[Operation]
    described: Mapping[str, Any]
    """What plain HTTP offers, for people and for programs."""
    watching: Watching
    revisions: Revisions

    def routes(self) -> list[Route]:
        """All of it."""
        return [
            Route("/", self.home),
            Route("/runs", shown(self.desk, self.runs)),
            *([Route("/runs/new", shown(self.desk, self.new))] if self.desk.may_act else []),
            Route("/runs/{run_id}", shown(self.desk, self.run)),
            Route("/runs/{run_id}/attempts", shown(self.desk, self.attempts)),
            Route("/runs/{run_id}/live", self.live),
            Route("/static/{name}", self.asset),
            Route("/v1/openapi", shown(self.desk, self.openapi)),
        ]

    async def home(self, _request: Request) -> Response:
        """Leads to the runs."""
        return RedirectResponse("/runs", 307)

    async def asset(self, request: Request) -> Response:
        """A file that pages refer to."""
        return self.desk.rendering.asset(request.path_params["name"])

    async def openapi(self, request: Request) -> Response:
        """What plain HTTP offers."""
        values = {"operations": self.offered, "described": self.described}
        return self.desk.page(request, "openapi.html", values)

    async def new(self, request: Request) -> Response:
        """The form that starts a review."""
        return self.desk.page(request, "new.html", {"typed": Typed(), "told": None})

    async def runs(self, request: Request) -> Response:
        """A page of runs."""
        query = {name: value for name, value in request.query_params.items() if value}
        wanted = {name: value for name, value in query.items() if name != LIVE}
        found = await read_runs(self.desk.services, self.desk.credential(request), wanted)
        token = found.next_page_token
        values = {
            "runs": [run_row(each) for each in found.runs],
            "looked_at": found.looked_at,
            "chosen": {name: query.get(name, "") for name in (*CHOICES, LIVE)},
            "refreshing": Refreshing.of(query),
            "next": f"/runs?{urlencode(query | {'page_token': token})}" if token else "",
        }
        return self.desk.page(request, "runs.html", values)

    async def run(self, request: Request) -> Response:
        """One run; it goes on filling while it is open."""
        session, run_id = self.desk.session(request), request.path_params["run_id"]
        run, revisions = await asyncio.gather(
            self.desk.read(run_id, session.credential), self.revisions.of(run_id, session.credential)
        )
        return await turned(run.ByteSize(), self._run_page, request, session, run, revisions)

    def _run_page(
        self, request: Request, session: Session, run: run_pb2.Run, revisions: RevisionList
    ) -> Response:
        values = {"run": run_view(run), "revisions": revisions}
        return self.desk.page(request, "run.html", values, session=session)

    async def attempts(self, request: Request) -> Response:
        """The calls to the model that a run made, a page of them."""
        run_id = request.path_params["run_id"]
        answer = await self.desk.services.ask(
            review_service_pb2.ListAttemptsRequest(
                run_id=run_id, page_size=100, page_token=request.query_params.get("page_token", "")
            ),
            self.desk.credential(request),
        )
        token = answer.next_page_token
        values = {
            "run_id": run_id,
            "attempts": [attempt_view(each) for each in answer.attempts],
            "next": f"/runs/{run_id}/attempts?{urlencode({'page_token': token})}" if token else "",
        }
        return self.desk.page(request, "attempts.html", values)

    async def live(self, request: Request) -> Response:
        """The run anew at each of its events, as server-sent events that say where they stand."""
        try:
            session = self.desk.session(request)
            after = after_sequence(request.headers, request.query_params)
        except ConsensusError as error:
            return self.desk.problem(request, error)
        return await event_stream(request, self._fragments(request.path_params["run_id"], after, session))

    async def _fragments(self, run_id: str, after: int, session: Session) -> AsyncGenerator[str]:
        """Fragments to the run's end; whoever asks again after a cut goes on behind the last.

        Where it cannot be followed on, such as by a credential that has ended, that is said, and the page
        asks no more: else it would for ever, since it takes whatever ends without an `end` for a cut.
        """
        try:
            with self.watching.of(run_id, session.credential) as watched:
                async with aclosing(watched.views(after)) as views:
                    async for run in views:
                        yield ": heartbeat\n\n" if run is None else await self._fragment(run, session)
        except ConsensusError as error:
            if is_cut(error):
                yield _AGAIN
                return
            if error.run_state is None:
                values = {"told": told_of(error), "run_id": run_id}
                yield _event("", self.desk.rendering.fragment("_left.html", values))
        yield "event: end\ndata: over\n\n"

    async def _fragment(self, run: RunView, session: Session) -> str:
        values = {"run": run, "me": self.desk.me(session)}
        text = await turned(run.size, self.desk.rendering.fragment, "_run.html", values)
        return _event(str(run.last_sequence), text)


def _event(number: str, text: str) -> str:
    """A server-sent event without a name, which htmx swaps in."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return (f"id: {number}\n" if number else "") + f"{lines}\n"
