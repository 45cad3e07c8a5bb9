"""PersistenceService: what review services ask of the record."""
# ruff: noqa: ARG002, N802 - names and arguments are those of the generated base

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from consensus.v1 import persistence_service_pb2 as pb
from consensus.v1.persistence_service_pb2_grpc import PersistenceServiceServicer
from consensus_rpc.errors import Overloaded, ShuttingDown
from persistence_service.drafts.submitting import submitted_text
from persistence_service.housekeeping.user_data import delete_user_data, undelete_user_data
from persistence_service.idempotency.claims import (
    ANNOTATE,
    CANCEL,
    DELETE,
    RESUME,
    REVISE,
    START,
    SUBMIT,
    UNDELETE,
    Claim,
    KeyTable,
)
from persistence_service.paging.tokens import Signing
from persistence_service.runs.form.attempts import attempt_columns
from persistence_service.runs.form.specification import specification_row
from persistence_service.runs.read.exporting import export_runs, list_persona_reviews
from persistence_service.runs.read.listing import list_attempts, list_runs
from persistence_service.runs.read.watching import Watching
from persistence_service.runs.recording import Recording
from persistence_service.runs.records import RunRecords, claim_of, scope_of
from persistence_service.runs.write import answers
from persistence_service.runs.write.creation import carried_drafts
from persistence_service.runs.write.operations import (
    Annotate,
    Cancel,
    ClaimWork,
    Create,
    Delete,
    Expansion,
    Follow,
    Resume,
    Undelete,
)
from persistence_service.runs.write.store import find_keys
from persistence_service.schema.scalars import storable

Context = Any  # grpc.aio.ServicerContext; its stubs are generic in ways that handlers are not


class RunServicer(PersistenceServiceServicer):
    """Answers for runs; streams end with ShuttingDown once `drain` was called."""

    def __init__(self, records: RunRecords, signing: Signing) -> None:
        """Needs a running loop; `signing` is for page tokens."""
        self._records = records
        self._signing = signing
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def drain(self) -> None:
        """Ends all streams; their callers go on at another replica."""
        if not self._stopping.done():
            self._stopping.set_exception(ShuttingDown())
            self._stopping.exception()  # looked at: there may be no stream

    async def RecordRun(
        self, request_iterator: AsyncIterator[pb.RecordRunRequest], context: Context
    ) -> AsyncIterator[pb.RecordRunResponse]:
        """Works on one run."""
        recording = Recording(self._records, self._stopping)
        async for response in recording.run(request_iterator):
            yield response

    async def CreateRun(self, request: pb.CreateRunRequest, context: Context) -> pb.CreateRunResponse:
        """Accepts a run as QUEUED. A key that is in use is answered however many runs are waiting."""
        operation = Create(
            scope=scope_of(request.scope),
            run_id=request.run_id,
            claim=_creation_claim(request),
            specification=specification_row(request.specification, self._records.options.run_timeout),
            carried=carried_drafts(request),
        )
        try:
            await self._records.queue.admit(request.scope.tenant)
        except Overloaded:
            if not await self._records.has_key(operation.claim):
                raise
        answer = await self._records.write(operation)
        followed = isinstance(answer, Follow)
        run_id = answer.run_id if followed else request.run_id
        run = await self._records.whole_run((request.scope.tenant, run_id))
        return pb.CreateRunResponse(run=run, is_created=not followed)

    async def ClaimRuns(self, request: pb.ClaimRunsRequest, context: Context) -> pb.ClaimRunsResponse:
        """Grants leases on runs that nobody works on."""
        started = monotonic()
        claimed = await self._records.write(
            ClaimWork(lease_owner=request.lease_owner, max_count=request.max_count)
        )
        elapsed = monotonic() - started
        return pb.ClaimRunsResponse(runs=[answers.claimed_message(run, elapsed) for run in claimed.runs])

    async def GetRun(
        self, request: pb.PersistenceServiceGetRunRequest, context: Context
    ) -> pb.PersistenceServiceGetRunResponse:
        """Answers with a run, whole."""
        key = (request.scope.tenant, request.run_id)
        run = await self._records.whole_run(key, show_deleted=request.show_deleted)
        return pb.PersistenceServiceGetRunResponse(run=run)

    async def ListRuns(
        self, request: pb.PersistenceServiceListRunsRequest, context: Context
    ) -> pb.PersistenceServiceListRunsResponse:
        """Lists runs, newest first."""
        return await list_runs(self._records, await self._signing.signer(), request)

    async def ListAttempts(
        self, request: pb.PersistenceServiceListAttemptsRequest, context: Context
    ) -> pb.PersistenceServiceListAttemptsResponse:
        """Lists the attempts of a run or an expansion."""
        return await list_attempts(self._records, await self._signing.signer(), request)

    async def ListPersonaReviews(
        self, request: pb.PersistenceServiceListPersonaReviewsRequest, context: Context
    ) -> pb.PersistenceServiceListPersonaReviewsResponse:
        """Lists the reviews of a run."""
        return await list_persona_reviews(self._records, await self._signing.signer(), request)

    async def ExportRuns(
        self, request: pb.PersistenceServiceExportRunsRequest, context: Context
    ) -> AsyncIterator[pb.PersistenceServiceExportRunsResponse]:
        """Streams runs, whole."""
        async for response in export_runs(self._records, await self._signing.signer(), request):
            if self._stopping.done():
                raise ShuttingDown
            yield response

    async def WatchRun(  # type: ignore[override]  # grpc.aio also takes a coroutine that writes itself
        self, request: pb.PersistenceServiceWatchRunRequest, context: Context
    ) -> None:
        """Streams a run's events. Writes to the context itself, so that a stalled write can be given up."""
        shown = request.show_deleted
        watching = Watching(self._records, self._stopping, context, show_deleted=shown)
        await watching.run((request.scope.tenant, request.run_id), request.after_sequence)

    async def CancelRun(
        self, request: pb.PersistenceServiceCancelRunRequest, context: Context
    ) -> pb.PersistenceServiceCancelRunResponse:
        """Ends a run."""
        scope = scope_of(request.scope)
        await self._records.write(
            Cancel(scope=scope, run_id=request.run_id, claim=_claim(request, CANCEL, resource=request.run_id))
        )
        run = await self._records.whole_run((scope.tenant, request.run_id))
        return pb.PersistenceServiceCancelRunResponse(run=run)

    async def ResumeRun(
        self, request: pb.PersistenceServiceResumeRunRequest, context: Context
    ) -> pb.PersistenceServiceResumeRunResponse:
        """Makes a failed run go on."""
        scope = scope_of(request.scope)
        await self._records.write(
            Resume(scope=scope, run_id=request.run_id, claim=_claim(request, RESUME, resource=request.run_id))
        )
        run = await self._records.whole_run((scope.tenant, request.run_id))
        return pb.PersistenceServiceResumeRunResponse(run=run)

    async def DeleteRun(
        self, request: pb.PersistenceServiceDeleteRunRequest, context: Context
    ) -> pb.PersistenceServiceDeleteRunResponse:
        """Deletes a run, so that it can be restored."""
        scope = scope_of(request.scope)
        await self._records.write(
            Delete(
                scope=scope,
                run_id=request.run_id,
                claim=_claim(request, DELETE, resource=request.run_id),
                deletion_id=str(uuid7()),
            )
        )
        run = await self._records.whole_run((scope.tenant, request.run_id), show_deleted=True)
        return pb.PersistenceServiceDeleteRunResponse(run=run)

    async def UndeleteRun(
        self, request: pb.PersistenceServiceUndeleteRunRequest, context: Context
    ) -> pb.PersistenceServiceUndeleteRunResponse:
        """Restores a run."""
        scope = scope_of(request.scope)
        claim = _claim(request, UNDELETE, resource=request.run_id)
        await self._records.write(Undelete(scope=scope, run_id=request.run_id, claim=claim))
        run = await self._records.whole_run((scope.tenant, request.run_id), show_deleted=True)
        return pb.PersistenceServiceUndeleteRunResponse(run=run)

    async def DeleteUserData(
        self, request: pb.PersistenceServiceDeleteUserDataRequest, context: Context
    ) -> pb.PersistenceServiceDeleteUserDataResponse:
        """Deletes a user's runs, drafts and metrics."""
        return await delete_user_data(self._records, request)

    async def UndeleteUserData(
        self, request: pb.PersistenceServiceUndeleteUserDataRequest, context: Context
    ) -> pb.PersistenceServiceUndeleteUserDataResponse:
        """Restores what went with one deletion."""
        return await undelete_user_data(self._records, request)

    async def AnnotateDecision(
        self, request: pb.PersistenceServiceAnnotateDecisionRequest, context: Context
    ) -> pb.PersistenceServiceAnnotateDecisionResponse:
        """Sets the note of a decision."""
        scope = scope_of(request.scope)
        await self._records.write(
            Annotate(
                scope=scope,
                run_id=request.run_id,
                claim=_claim(request, ANNOTATE, resource=request.run_id),
                notes=storable(request.decision_notes, "decision_notes"),
            )
        )
        run = await self._records.whole_run((scope.tenant, request.run_id))
        return pb.PersistenceServiceAnnotateDecisionResponse(run=run)

    async def GetDraftText(
        self, request: pb.GetDraftTextRequest, context: Context
    ) -> pb.GetDraftTextResponse:
        """Answers with what a draft says, or with the run that the key has started from it."""
        tenant, draft_id = request.scope.tenant, request.draft_id
        claim = _claim(request, SUBMIT, resource=draft_id)

        def find(connection: Connection) -> pb.GetDraftTextResponse:
            if claim is not None:
                existing = find_keys(connection, [claim.scope])
                if run_id := KeyTable({}, existing).check(claim):
                    return pb.GetDraftTextResponse(run_id=run_id)
            text = submitted_text(connection, (tenant, draft_id), request.user)
            return pb.GetDraftTextResponse(text=text)

        return await self._records.read(find, f"drafts/{draft_id}")

    async def RecordExpansion(
        self, request: pb.RecordExpansionRequest, context: Context
    ) -> pb.RecordExpansionResponse:
        """Records attempts that belong to no run."""
        await self._records.write(
            Expansion(
                scope=scope_of(request.scope),
                expansion_id=request.expansion_id,
                attempts=tuple(attempt_columns(attempt) for attempt in request.attempts),
            )
        )
        return pb.RecordExpansionResponse()


def _creation_claim(request: pb.CreateRunRequest) -> Claim | None:
    """A revision's key belongs to its parent, a draft's to the draft; any other's to nothing."""
    specification = request.specification
    if parent_run_id := specification.revision.parent_run_id:
        return _claim(request, REVISE, resource=parent_run_id)
    if specification.draft_id:
        return _claim(request, SUBMIT, resource=specification.draft_id)
    return _claim(request, START, resource="")


def _claim(request: Any, operation: str, *, resource: str) -> Claim | None:
    if not request.HasField("idempotency"):
        return None
    run_id = getattr(request, "run_id", "")  # none where a key is only looked up
    return claim_of(request.scope, operation, request.idempotency, run_id, resource)
