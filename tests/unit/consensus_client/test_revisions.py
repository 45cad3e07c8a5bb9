"""Calls about revisions of both kinds of client: what they send, and how they read pages and streams."""
# ruff: noqa: N802 - the names of the contract

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from consensus.v1 import panel_pb2, proposal_pb2, review_service_pb2, run_pb2
from consensus_client import ReviewOptions, RunQuery, SyncReviewClient
from consensus_rpc.errors import ShuttingDown
from tests.unit.consensus_client.conftest import IMPATIENT, connected
from tests.unit.consensus_client.scripted import ScriptedService, serving

IDS = [f"r{number}" for number in range(5)]
LINES = [f"+{number}" for number in range(250)]


@dataclass
class Scripted(ScriptedService):
    """Exports five runs, cut after two; compares with 250 lines; has three reviews."""

    is_cut: bool = True

    async def ReviseRun(self, request: Any, context: Any) -> review_service_pb2.ReviseRunResponse:
        self.requests.append(request)
        return review_service_pb2.ReviseRunResponse(run=run_pb2.Run(run_id="new"))

    async def ExportRuns(
        self, request: Any, context: Any
    ) -> AsyncIterator[review_service_pb2.ExportRunsResponse]:
        first = int(request.page_token or 0)
        for index, run_id in enumerate(IDS[first:], start=first + 1):
            yield review_service_pb2.ExportRunsResponse(run=run_pb2.Run(run_id=run_id), page_token=str(index))
            if self.is_cut and index == 2:
                self.is_cut = False
                raise ShuttingDown

    async def DiffRuns(self, request: Any, context: Any) -> review_service_pb2.DiffRunsResponse:
        first = int(request.page_token or 0)
        last = first + request.page_size
        section = review_service_pb2.ProposalSectionDiff(
            section="summary", unified_diff_lines=LINES[first:last]
        )
        more = str(last) if last < len(LINES) else ""
        return review_service_pb2.DiffRunsResponse(sections=[section], next_page_token=more)

    async def ListPersonaReviews(
        self, request: Any, context: Any
    ) -> review_service_pb2.ListPersonaReviewsResponse:
        first = int(request.page_token or 0)
        return review_service_pb2.ListPersonaReviewsResponse(
            persona_reviews=[panel_pb2.PersonaReview(persona_id=f"p{first}")],
            next_page_token=str(first + 1) if first < 2 else "",
        )


EDITED = proposal_pb2.Proposal(problem_statement="p", proposed_solution="s")


async def test_a_revision_is_asked_for_with_a_key_of_its_own() -> None:
    service = Scripted()
    async with connected(service) as client:
        run = await client.revise_run(
            "parent",
            edit_notes="Shorter.",
            edited_proposal=EDITED,
            personas=["critic"],
            user="u-1",
            options=ReviewOptions(review_model="m"),
        )
    (request,) = service.requests
    key = request.idempotency_key
    assert run.run_id == "new"
    assert key
    assert request == review_service_pb2.ReviseRunRequest(
        parent_run_id="parent",
        edit_notes="Shorter.",
        edited_proposal=EDITED,
        personas=["critic"],
        user="u-1",
        options=review_service_pb2.ReviewOptions(review_model="m"),
        idempotency_key=key,
    )


async def test_an_export_that_is_cut_goes_on_after_the_last_run() -> None:
    async with connected(Scripted()) as client:
        assert [run.run_id async for run in client.export_runs(RunQuery(user="u"))] == IDS


async def test_a_comparison_and_reviews_are_read_to_their_last_page() -> None:
    async with connected(Scripted()) as client:
        found = await client.diff_runs("a", "b")
        reviews = [each.persona_id async for each in client.persona_reviews("r")]
    assert list(found.sections[0].unified_diff_lines) == LINES
    assert reviews == ["p0", "p1", "p2"]


async def test_the_synchronous_client_does_the_same() -> None:
    def work(address: str) -> tuple[str, list[str], int, list[str]]:
        with SyncReviewClient(address, IMPATIENT, sleep=lambda _seconds: None) as client:
            return (
                client.revise_run("parent", edit_notes="Shorter.", all_personas=True).run_id,
                [run.run_id for run in client.export_runs()],
                len(client.diff_runs("a", "b").sections[0].unified_diff_lines),
                [each.persona_id for each in client.persona_reviews("r")],
            )

    service = Scripted()
    async with serving(service) as address:
        assert await asyncio.to_thread(work, address) == ("new", IDS, len(LINES), ["p0", "p1", "p2"])
    assert service.requests[0].all_personas
