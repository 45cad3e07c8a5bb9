"""Revisions: what revises a run, and what a revision changed, word by word."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consensus.v1 import review_service_pb2, run_pb2
from consensus_client.requests import merge_pages
from consensus_contract.errors import RunNotFound
from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_door.page.desk import Desk
from consensus_door.page.handlers import shown
from consensus_door.page.sessions import Session
from consensus_door.page.view import RunRow, run_row, run_title
from consensus_door.rpc.packed import turned
from consensus_door.services.calling import Credential
from consensus_report.html.change import change_section
from consensus_report.html.markup import joined

_MOST_REVISIONS = 20
_MOST_PAGES = 10

Change = review_service_pb2.DiffRunsResponse


@dataclass(frozen=True, slots=True)
class RevisionList:
    """What revises a run, the newest first; `is_whole` is False where there are more."""

    rows: tuple[RunRow, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Revisions:
    """Shows what the caller may read."""

    desk: Desk

    def routes(self) -> list[Route]:
        """The page of a change."""
        return [Route("/runs/{run_id}/changes", shown(self.desk, self.changes))]

    async def of(self, run_id: str, credential: Credential) -> RevisionList:
        """What revises a run.

        Raises:
            ConsensusError: it may not be read.
        """
        wanted = review_service_pb2.ListRunsRequest(
            filter=run_pb2.RunFilter(parent_run_id=run_id), page_size=_MOST_REVISIONS
        )
        answer = await self.desk.services.ask(wanted, credential)
        return RevisionList(tuple(map(run_row, answer.runs)), not answer.next_page_token)

    async def changes(self, request: Request) -> Response:
        """What a revision changed about the run that it revises, up to a thousand lines of it."""
        session = self.desk.session(request)
        run = await self.desk.read(request.path_params["run_id"], session.credential)
        token = request.query_params.get("page_token", "")
        pages: list[Change] = []
        try:
            while run.parent_run_id and (token or not pages) and len(pages) < _MOST_PAGES:
                pages.append(await self._ask(run, token, session.credential))
                token = pages[-1].next_page_token
        except RunNotFound:
            pages, token = [], ""
        size = run.ByteSize() + sum(each.ByteSize() for each in pages)
        return await turned(size, self._page, request, session, run, pages, token)

    async def _ask(self, run: run_pb2.Run, token: str, credential: Credential) -> Change:
        wanted = review_service_pb2.DiffRunsRequest(
            run_id_a=run.parent_run_id, run_id_b=run.run_id, page_size=MAX_PAGE_SIZE, page_token=token
        )
        change: Change = await self.desk.services.ask(wanted, credential)
        return change

    def _page(
        self, request: Request, session: Session, run: run_pb2.Run, pages: list[Change], token: str
    ) -> Response:
        values = {
            "run_id": run.run_id,
            "title": run_title(run),
            "parent_run_id": run.parent_run_id,
            "change": change_section(run, merge_pages(pages)) if pages else joined(),
            "next": f"/runs/{run.run_id}/changes?{urlencode({'page_token': token})}" if token else "",
        }
        return self.desk.page(request, "changes.html", values, session=session)
