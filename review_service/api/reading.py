"""The part of ReviewService that only reads: it asks persistence, and compares."""
# ruff: noqa: N802 - the methods are named as in the contract

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from consensus.v1 import (
    persistence_service_pb2,
    review_service_pb2,
    review_service_pb2_grpc,
    run_pb2,
)
from consensus_rpc.channel.channels import call_options
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.identity import identity_of
from consensus_rpc.telemetry.log import bind_contextvars
from consensus_rpc.telemetry.request_id import current_request_id
from review_service.api.streams import Scope
from review_service.comparing.pages import diff_page
from review_service.comparing.run_diff import diff_runs
from review_service.record.persistence import Stub, persistence_errors

_CALL_SECONDS = 30.0


class ReadingServicer(review_service_pb2_grpc.ReviewServiceServicer):
    """Reads of runs."""

    def __init__(self, stub: Stub) -> None:
        """Takes the way to persistence."""
        self._stub = stub

    async def GetRun(
        self, request: review_service_pb2.GetRunRequest, context: Any
    ) -> review_service_pb2.GetRunResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        run = await self.run(request.run_id, context, show_deleted=request.show_deleted)
        return review_service_pb2.GetRunResponse(run=run)

    async def ListRuns(
        self, request: review_service_pb2.ListRunsRequest, context: Any
    ) -> review_service_pb2.ListRunsResponse:
        """See the contract."""
        asked = persistence_service_pb2.PersistenceServiceListRunsRequest(
            scope=scope_of(context),
            filter=request.filter if request.HasField("filter") else None,
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        answer = await self.ask(self._stub.ListRuns, asked, context)
        return review_service_pb2.ListRunsResponse(runs=answer.runs, next_page_token=answer.next_page_token)

    async def ListAttempts(
        self, request: review_service_pb2.ListAttemptsRequest, context: Any
    ) -> review_service_pb2.ListAttemptsResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceListAttemptsRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        answer = await self.ask(self._stub.ListAttempts, asked, context)
        return review_service_pb2.ListAttemptsResponse(
            attempts=answer.attempts, next_page_token=answer.next_page_token
        )

    async def ListPersonaReviews(
        self, request: review_service_pb2.ListPersonaReviewsRequest, context: Any
    ) -> review_service_pb2.ListPersonaReviewsResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceListPersonaReviewsRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            page_size=request.page_size,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        answer = await self.ask(self._stub.ListPersonaReviews, asked, context)
        return review_service_pb2.ListPersonaReviewsResponse(
            persona_reviews=answer.persona_reviews, next_page_token=answer.next_page_token
        )

    async def ExportRuns(
        self, request: review_service_pb2.ExportRunsRequest, context: Any
    ) -> AsyncIterator[review_service_pb2.ExportRunsResponse]:
        """See the contract."""
        asked = persistence_service_pb2.PersistenceServiceExportRunsRequest(
            scope=scope_of(context),
            filter=request.filter if request.HasField("filter") else None,
            page_token=request.page_token,
            show_deleted=request.show_deleted,
        )
        call = self._stub.ExportRuns(asked, **call_options(context))
        try:
            with persistence_errors():
                async for answer in call:
                    yield review_service_pb2.ExportRunsResponse(run=answer.run, page_token=answer.page_token)
        finally:
            call.cancel()

    async def DiffRuns(
        self, request: review_service_pb2.DiffRunsRequest, context: Any
    ) -> review_service_pb2.DiffRunsResponse:
        """See the contract."""
        ids = request.run_id_a, request.run_id_b
        if ids[0] == ids[1]:
            raise InvalidField(field="run_id_b", description="must be another run than run_id_a")
        a, b = await asyncio.gather(*(self.run(run_id, context) for run_id in ids))
        whole = await asyncio.to_thread(diff_runs, a, b)
        binding = (scope_of(context).tenant, *ids)
        return diff_page(whole, binding, request.page_size, request.page_token)

    async def run(self, run_id: str, context: Any, *, show_deleted: bool = False) -> run_pb2.Run:
        """A run, whole."""
        asked = persistence_service_pb2.PersistenceServiceGetRunRequest(
            scope=scope_of(context), run_id=run_id, show_deleted=show_deleted
        )
        run: run_pb2.Run = (await self.ask(self._stub.GetRun, asked, context)).run
        return run

    async def ask(self, method: Any, request: Any, context: Any) -> Any:
        """Asks persistence within the caller's deadline; its refusals pass through as they are."""
        with persistence_errors():
            return await method(request, **call_options(context, ceiling_seconds=_CALL_SECONDS))


def scope_of(context: Any) -> Scope:
    """For whom a call is made."""
    who = identity_of(context)
    return Scope(tenant=who.tenant, caller=who.caller, request_id=current_request_id() or "")
