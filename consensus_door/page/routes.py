"""The routes of the page: runs, and one of them while it goes on."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client.cursors import RunCursor
from consensus_contract.errors import ConsensusError
from consensus_door.page.rendering import Rendering
from consensus_door.page.view import RunView, run_view
from consensus_door.plain.operations import Operation
from consensus_door.plain.requests import after_sequence, list_request
from consensus_door.problems import told_of
from consensus_door.services.addresses import Where
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services

_REVIEW_SERVICE = "/consensus.v1.ReviewService"
_CHOICES = ("state", "decision", "user")


@dataclass(frozen=True, slots=True)
class Page:
    """Shows what the caller may read; it changes nothing."""

    services: Services
    rendering: Rendering
    offered: Sequence[Operation]
    described: Mapping[str, Any]
    """What plain HTTP offers, for people and for programs."""

    def routes(self) -> list[Route]:
        """All of it."""
        return [
            Route("/", self.home),
            Route("/runs", self.runs),
            Route("/runs/{run_id}", self.run),
            Route("/runs/{run_id}/live", self.live),
            Route("/static/{name}", self.asset),
            Route("/v1/openapi", self.openapi),
        ]

    async def home(self, _request: Request) -> Response:
        """Leads to the runs."""
        return RedirectResponse("/runs", 307)

    async def asset(self, request: Request) -> Response:
        """A file that pages refer to."""
        return self.rendering.asset(request.path_params["name"])

    async def openapi(self, _request: Request) -> Response:
        """What plain HTTP offers."""
        return self.rendering.page("openapi.html", {"operations": self.offered, "described": self.described})

    async def runs(self, request: Request) -> Response:
        """A page of runs."""
        query = {name: value for name, value in request.query_params.items() if value}
        try:
            answer = await self.services.ask(
                Where.REVIEW,
                f"{_REVIEW_SERVICE}/ListRuns",
                list_request(query),
                review_service_pb2.ListRunsResponse,
                Credential.of(request.headers),
            )
        except ConsensusError as error:
            return self._problem(error)
        token = answer.next_page_token
        values = {
            "runs": [run_view(each) for each in answer.runs],
            "chosen": {name: query.get(name, "") for name in _CHOICES},
            "next": str(URL("/runs?" + urlencode(query | {"page_token": token}))) if token else "",
        }
        return self.rendering.page("runs.html", values)

    async def run(self, request: Request) -> Response:
        """One run; it goes on filling while it is open."""
        try:
            run = await self._read(request.path_params["run_id"], Credential.of(request.headers))
        except ConsensusError as error:
            return self._problem(error)
        return self.rendering.page("run.html", {"run": run})

    async def live(self, request: Request) -> Response:
        """The run anew at each of its events, as server-sent events that say where they stand."""
        try:
            credential = Credential.of(request.headers)
            cursor = RunCursor(
                request.path_params["run_id"], after_sequence(request.headers, request.query_params)
            )
        except ConsensusError as error:
            return self._problem(error)
        return StreamingResponse(
            self._fragments(cursor, credential),
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
            media_type="text/event-stream",
        )

    async def _fragments(self, cursor: RunCursor, credential: Credential) -> AsyncIterator[str]:
        """Fragments to the run's end; whoever asks again after a cut goes on behind the last."""
        assert cursor.run_id is not None
        try:
            async with aclosing(self._messages(cursor, credential)) as messages:
                async for message in messages:
                    if not list(cursor.take(message)):
                        yield ": heartbeat\n\n"
                        continue
                    run = await self._read(cursor.run_id, credential)
                    yield _event(cursor.after_sequence, self.rendering.fragment("_run.html", {"run": run}))
        except ConsensusError as error:
            if error.run_state is None:
                return
        yield "event: end\ndata: over\n\n"

    def _messages(self, cursor: RunCursor, credential: Credential) -> AsyncGenerator[Any]:
        return self.services.follow(
            Where.REVIEW,
            f"{_REVIEW_SERVICE}/WatchRun",
            cursor.watch_request(),
            review_service_pb2.WatchRunResponse,
            credential,
        )

    async def _read(self, run_id: str, credential: Credential) -> RunView:
        answer = await self.services.ask(
            Where.REVIEW,
            f"{_REVIEW_SERVICE}/GetRun",
            review_service_pb2.GetRunRequest(run_id=run_id),
            review_service_pb2.GetRunResponse,
            credential,
        )
        run: run_pb2.Run = answer.run
        return run_view(run)

    def _problem(self, error: ConsensusError) -> Response:
        told = told_of(error)
        return self.rendering.page("problem.html", {"told": told}, told["status"])


def _event(sequence: int, text: str) -> str:
    """A server-sent event without a name, which htmx swaps in."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"id: {sequence}\n{lines}\n"
