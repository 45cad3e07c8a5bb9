"""RunServicer that enters reads into the journal, for those who must know who looked at what."""
# ruff: noqa: N802 - names are those of the generated base

from collections.abc import AsyncIterator
from typing import Any

from consensus.v1 import persistence_service_pb2 as pb
from consensus_journal import Plain
from persistence_service.database import Database
from persistence_service.journal.entries import Actor
from persistence_service.journal.reads import enter_read
from persistence_service.paging.tokens import Signing
from persistence_service.runs.records import RunRecords
from persistence_service.runs.servicer import RunServicer

Context = Any  # as in servicer.py


class AuditedRunServicer(RunServicer):
    """Each read leaves an entry before it is answered; without the entry there is no answer."""

    def __init__(self, records: RunRecords, signing: Signing, database: Database) -> None:
        """Writes through the pool: reads have no place in the writer's batches."""
        super().__init__(records, signing)
        self._database = database

    async def GetRun(
        self, request: pb.PersistenceServiceGetRunRequest, context: Context
    ) -> pb.PersistenceServiceGetRunResponse:
        """Enters the read, then answers with a run."""
        await self._enter(request.scope, "run.read", {"run_id": request.run_id})
        return await super().GetRun(request, context)

    async def ListRuns(
        self, request: pb.PersistenceServiceListRunsRequest, context: Context
    ) -> pb.PersistenceServiceListRunsResponse:
        """Enters the read, then lists runs."""
        await self._enter(request.scope, "runs.listed", {"page_size": request.page_size})
        return await super().ListRuns(request, context)

    async def ListAttempts(
        self, request: pb.PersistenceServiceListAttemptsRequest, context: Context
    ) -> pb.PersistenceServiceListAttemptsResponse:
        """Enters the read, then lists attempts."""
        await self._enter(request.scope, "attempts.listed", {"run_id": request.run_id})
        return await super().ListAttempts(request, context)

    async def ListPersonaReviews(
        self, request: pb.PersistenceServiceListPersonaReviewsRequest, context: Context
    ) -> pb.PersistenceServiceListPersonaReviewsResponse:
        """Enters the read, then lists reviews."""
        await self._enter(request.scope, "persona_reviews.listed", {"run_id": request.run_id})
        return await super().ListPersonaReviews(request, context)

    async def GetDraftText(
        self, request: pb.GetDraftTextRequest, context: Context
    ) -> pb.GetDraftTextResponse:
        """Enters the read, then answers with what a draft says."""
        await self._enter(request.scope, "draft.read", {"draft_id": request.draft_id})
        return await super().GetDraftText(request, context)

    async def ExportRuns(
        self, request: pb.PersistenceServiceExportRunsRequest, context: Context
    ) -> AsyncIterator[pb.PersistenceServiceExportRunsResponse]:
        """Enters the read, then streams runs."""
        await self._enter(request.scope, "runs.exported", {})
        async for response in super().ExportRuns(request, context):
            yield response

    async def WatchRun(  # type: ignore[override]  # as in servicer.py
        self, request: pb.PersistenceServiceWatchRunRequest, context: Context
    ) -> None:
        """Enters the read, then streams a run's events."""
        data: dict[str, Plain] = {"run_id": request.run_id, "after_sequence": request.after_sequence}
        await self._enter(request.scope, "run.watched", data)
        await super().WatchRun(request, context)

    async def _enter(self, scope: pb.CallScope, event_type: str, data: dict[str, Plain]) -> None:
        actor = Actor(scope.caller, "", scope.request_id)
        await enter_read(self._database, scope.tenant, actor, event_type, data)
