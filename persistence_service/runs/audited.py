"""RunServicer that enters reads into the journal, for those who must know who looked at what."""
# ruff: noqa: N802 - names are those of the generated base

from collections.abc import AsyncIterator

from consensus.internal.v1 import persistence_service_pb2
from consensus_journal import Plain
from consensus_rpc.server.context import Context
from persistence_service.database import Database
from persistence_service.journal.entered_reads import enter_read
from persistence_service.journal.entries import Actor
from persistence_service.paging.tokens import Signing
from persistence_service.runs.access import RunAccess
from persistence_service.runs.elsewhere import Elsewhere
from persistence_service.runs.servicer import RunServicer


class AuditedRunServicer(RunServicer):
    """Each read leaves an entry before it is answered; without the entry there is no answer."""

    def __init__(
        self,
        runs: RunAccess,
        signing: Signing,
        elsewhere: Elsewhere,
        database: Database,
    ) -> None:
        """Writes through the pool: reads have no place in the writer's batches."""
        super().__init__(runs, signing, elsewhere)
        self._database = database

    async def GetRun(
        self, request: persistence_service_pb2.GetRunRequest, context: Context
    ) -> persistence_service_pb2.GetRunResponse:
        await self._enter(request.scope, "run.read", {"run_id": request.run_id})
        return await super().GetRun(request, context)

    async def ListRuns(
        self, request: persistence_service_pb2.ListRunsRequest, context: Context
    ) -> persistence_service_pb2.ListRunsResponse:
        await self._enter(request.scope, "runs.listed", {"page_size": request.page_size})
        return await super().ListRuns(request, context)

    async def ListAttempts(
        self, request: persistence_service_pb2.ListAttemptsRequest, context: Context
    ) -> persistence_service_pb2.ListAttemptsResponse:
        await self._enter(request.scope, "attempts.listed", {"run_id": request.run_id})
        return await super().ListAttempts(request, context)

    async def ListPersonaReviews(
        self, request: persistence_service_pb2.ListPersonaReviewsRequest, context: Context
    ) -> persistence_service_pb2.ListPersonaReviewsResponse:
        await self._enter(request.scope, "persona_reviews.listed", {"run_id": request.run_id})
        return await super().ListPersonaReviews(request, context)

    async def GetDraftText(
        self, request: persistence_service_pb2.GetDraftTextRequest, context: Context
    ) -> persistence_service_pb2.GetDraftTextResponse:
        """Enters the read, then answers with what a draft says."""
        await self._enter(request.scope, "draft.read", {"draft_id": request.draft_id})
        return await super().GetDraftText(request, context)

    async def ExportRuns(
        self, request: persistence_service_pb2.ExportRunsRequest, context: Context
    ) -> AsyncIterator[persistence_service_pb2.ExportRunsResponse]:
        await self._enter(request.scope, "runs.exported", {})
        async for response in super().ExportRuns(request, context):
            yield response

    async def WatchRun(  # type: ignore[override]  # as in servicer.py
        self, request: persistence_service_pb2.WatchRunRequest, context: Context
    ) -> None:
        data: dict[str, Plain] = {"run_id": request.run_id, "after_sequence": request.after_sequence}
        await self._enter(request.scope, "run.watched", data)
        await super().WatchRun(request, context)

    async def _enter(
        self, scope: persistence_service_pb2.CallScope, event_type: str, data: dict[str, Plain]
    ) -> None:
        actor = Actor(scope.caller, "", scope.request_id)
        await enter_read(self._database, scope.tenant, actor, event_type, data)
