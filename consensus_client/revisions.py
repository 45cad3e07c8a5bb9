"""Asynchronous calls about revisions: start one, compare runs, read reviews and whole runs."""

from collections.abc import AsyncIterator, Sequence

from consensus.v1 import panel_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_client.calls import Calls
from consensus_client.following import with_server
from consensus_client.requests import ReviewOptions, RunQuery, merge_pages, new_key, revise_request
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options
from consensus_rpc.channel.status import contract_errors

_MAX_PAGE = 100


class RevisionCalls(Calls):
    """Calls about revisions."""

    async def revise_run(
        self,
        parent_run_id: str,
        *,
        edit_notes: str = "",
        edited_proposal: proposal_pb2.Proposal | None = None,
        personas: Sequence[str] = (),
        all_personas: bool = False,
        user: str = "",
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
    ) -> run_pb2.Run:
        """Starts a run that revises a completed one and returns at once; `watch_run` follows it.

        At least one of the edits is given. `personas` are asked again; without them those that were not
        content, or all with `all_personas`.
        """
        request = revise_request(parent_run_id, edit_notes, edited_proposal, options)
        request.personas.extend(personas)
        request.all_personas = all_personas
        request.user = user
        request.idempotency_key = new_key(idempotency_key)
        return (await self._unary(self._stub.ReviseRun, request)).run

    async def diff_runs(self, run_id_a: str, run_id_b: str) -> review_service_pb2.DiffRunsResponse:
        """What differs from run `a` to run `b`, with all lines of all pages."""
        pages: list[review_service_pb2.DiffRunsResponse] = []
        while not pages or pages[-1].next_page_token:
            request = review_service_pb2.DiffRunsRequest(
                run_id_a=run_id_a,
                run_id_b=run_id_b,
                page_size=_MAX_PAGE,
                page_token=pages[-1].next_page_token if pages else "",
            )
            pages.append(await self._unary(self._stub.DiffRuns, request))
        return merge_pages(pages)

    async def list_persona_reviews(
        self, run_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> review_service_pb2.ListPersonaReviewsResponse:
        """A page of a run's reviews, in persona order."""
        request = review_service_pb2.ListPersonaReviewsRequest(
            run_id=run_id, page_size=page_size, page_token=page_token
        )
        return await self._unary(self._stub.ListPersonaReviews, request)

    async def persona_reviews(self, run_id: str) -> AsyncIterator[panel_pb2.PersonaReview]:
        """All reviews of all pages."""
        token = ""
        while True:
            page = await self.list_persona_reviews(run_id, page_token=token)
            for review in page.persona_reviews:
                yield review
            token = page.next_page_token
            if not token:
                return

    async def export_runs(self, query: RunQuery | None = None) -> AsyncIterator[run_pb2.Run]:
        """All runs, whole, newest first; a stream that is cut goes on after the last run that came."""
        request = review_service_pb2.ExportRunsRequest(filter=(query or RunQuery()).message())
        patience = self._patience()
        while True:
            try:
                with contract_errors():
                    async for answer in self._stub.ExportRuns(request, **call_options(None)):
                        request.page_token = answer.page_token
                        patience.progressed()
                        yield answer.run
                return
            except ConsensusError as error:
                delay = patience.wait_seconds(with_server(error, self.target))
            await self._sleep(delay)
