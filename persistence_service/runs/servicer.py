"""PersistenceService: what review services ask of the record."""
# ruff: noqa: ARG002, N802 - names and arguments are those of the generated base

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from time import monotonic

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus_rpc.errors import Overloaded, ShuttingDown
from consensus_rpc.server.context import Context
from consensus_rpc.server.quietly import say_found_nothing
from persistence_service.idempotency.keys import (
    ANNOTATE,
    CANCEL,
    DELETE,
    RESUME,
    SUBMIT,
    UNDELETE,
    KeyTable,
)
from persistence_service.idempotency.repository import find_holders
from persistence_service.paging.tokens import Signing
from persistence_service.runs.access import RunAccess
from persistence_service.runs.elsewhere import Elsewhere
from persistence_service.runs.form.attempts import attempt_columns
from persistence_service.runs.form.keys import (
    creation_key_use,
    key_use_of,
    panel_key_use,
    run_key_use,
    scope_of,
)
from persistence_service.runs.form.specification import specification_row
from persistence_service.runs.lease_holder import lease_holder
from persistence_service.runs.read.exporting import export_runs
from persistence_service.runs.read.listing import list_attempts, list_persona_reviews, list_runs
from persistence_service.runs.read.watching import RunWatch
from persistence_service.runs.recording import Recording
from persistence_service.runs.write import answer_messages
from persistence_service.runs.write.carrying import carried_entries
from persistence_service.runs.write.operations import (
    Annotate,
    Cancel,
    ClaimWork,
    Create,
    Delete,
    RecordExpansion,
    Resume,
    Undelete,
)
from persistence_service.runs.write.outcomes import Follow
from persistence_service.schema.scalars import storable


class RunServicer(persistence_service_pb2_grpc.PersistenceServiceServicer):
    """Answers for runs; streams end with ShuttingDown once `drain` was called."""

    def __init__(
        self,
        runs: RunAccess,
        signing: Signing,
        elsewhere: Elsewhere,
    ) -> None:
        """Needs a running loop."""
        self._runs = runs
        self._signing = signing
        self._elsewhere = elsewhere
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def drain(self) -> None:
        """Ends all streams; their callers go on at another replica."""
        if not self._stopping.done():
            self._stopping.set_exception(ShuttingDown())
            self._stopping.exception()  # looked at: there may be no stream

    async def RecordRun(
        self, request_iterator: AsyncIterator[persistence_service_pb2.RecordRunRequest], context: Context
    ) -> AsyncIterator[persistence_service_pb2.RecordRunResponse]:
        holder = partial(lease_holder, context)
        recording = Recording(self._runs, self._stopping, holder)
        async for response in recording.run(request_iterator):
            yield response

    async def CreateRun(
        self, request: persistence_service_pb2.CreateRunRequest, context: Context
    ) -> persistence_service_pb2.CreateRunResponse:
        """Accepts a run as QUEUED. A key that is in use is answered however many runs are waiting."""
        operation = Create(
            scope=scope_of(request.scope),
            run_id=request.run_id,
            key_use=creation_key_use(request),
            specification=specification_row(request.specification, self._runs.options.run_timeout),
            carried=carried_entries(request),
        )
        try:
            await self._runs.queue.admit(request.scope.tenant)
        except Overloaded:
            if not await self._runs.reader.has_key(operation.key_use):
                raise
        answer = await self._runs.writer.write(operation)
        followed = isinstance(answer, Follow)
        run_id = answer.run_id if followed else request.run_id
        run = await self._runs.reader.whole_run((request.scope.tenant, run_id), answers_commit=True)
        return persistence_service_pb2.CreateRunResponse(run=run, created=not followed)

    async def ClaimRuns(
        self, request: persistence_service_pb2.ClaimRunsRequest, context: Context
    ) -> persistence_service_pb2.ClaimRunsResponse:
        started = monotonic()
        claimed = await self._runs.writer.write(
            ClaimWork(
                lease_owner=lease_holder(context, request.lease_owner),
                max_count=request.max_count,
                policy_versions=frozenset(request.policy_versions),
            )
        )
        elapsed = monotonic() - started
        if not claimed.runs:
            say_found_nothing()
        return persistence_service_pb2.ClaimRunsResponse(
            runs=[answer_messages.claimed_message(run, elapsed) for run in claimed.runs]
        )

    async def GetRun(
        self, request: persistence_service_pb2.GetRunRequest, context: Context
    ) -> persistence_service_pb2.GetRunResponse:
        key = (request.scope.tenant, request.run_id)
        run = await self._runs.reader.whole_run(key, show_deleted=request.show_deleted)
        return persistence_service_pb2.GetRunResponse(run=run)

    async def ListRuns(
        self, request: persistence_service_pb2.ListRunsRequest, context: Context
    ) -> persistence_service_pb2.ListRunsResponse:
        return await list_runs(self._runs.reader, await self._signing.signer(), request)

    async def ListAttempts(
        self, request: persistence_service_pb2.ListAttemptsRequest, context: Context
    ) -> persistence_service_pb2.ListAttemptsResponse:
        return await list_attempts(self._runs.reader, await self._signing.signer(), request)

    async def ListPersonaReviews(
        self, request: persistence_service_pb2.ListPersonaReviewsRequest, context: Context
    ) -> persistence_service_pb2.ListPersonaReviewsResponse:
        return await list_persona_reviews(self._runs.reader, await self._signing.signer(), request)

    async def ExportRuns(
        self, request: persistence_service_pb2.ExportRunsRequest, context: Context
    ) -> AsyncIterator[persistence_service_pb2.ExportRunsResponse]:
        async for response in export_runs(self._runs.reader, await self._signing.signer(), request):
            if self._stopping.done():
                raise ShuttingDown
            yield response

    async def WatchRun(  # type: ignore[override]  # grpc.aio also takes a coroutine that writes itself
        self, request: persistence_service_pb2.WatchRunRequest, context: Context
    ) -> None:
        """Streams a run's events. Writes to the context itself, so that a stalled write can be given up."""
        runs, shown = self._runs, request.show_deleted
        watch = RunWatch(runs.reader, runs.notifier, context, show_deleted=shown)
        await watch.run((request.scope.tenant, request.run_id), request.after_sequence, self._stopping)

    async def CancelRun(
        self, request: persistence_service_pb2.CancelRunRequest, context: Context
    ) -> persistence_service_pb2.CancelRunResponse:
        scope = scope_of(request.scope)
        await self._runs.writer.write(
            Cancel(scope=scope, run_id=request.run_id, key_use=key_use_of(request, CANCEL))
        )
        run = await self._runs.reader.whole_run((scope.tenant, request.run_id), answers_commit=True)
        return persistence_service_pb2.CancelRunResponse(run=run)

    async def ResumeRun(
        self, request: persistence_service_pb2.ResumeRunRequest, context: Context
    ) -> persistence_service_pb2.ResumeRunResponse:
        scope = scope_of(request.scope)
        await self._runs.writer.write(
            Resume(scope=scope, run_id=request.run_id, key_use=key_use_of(request, RESUME))
        )
        run = await self._runs.reader.whole_run((scope.tenant, request.run_id), answers_commit=True)
        return persistence_service_pb2.ResumeRunResponse(run=run)

    async def DeleteRun(
        self, request: persistence_service_pb2.DeleteRunRequest, context: Context
    ) -> persistence_service_pb2.DeleteRunResponse:
        scope = scope_of(request.scope)
        await self._runs.writer.write(
            Delete(
                scope=scope,
                run_id=request.run_id,
                key_use=key_use_of(request, DELETE),
                deletion_id=str(uuid7()),
            )
        )
        run = await self._runs.reader.whole_run(
            (scope.tenant, request.run_id), show_deleted=True, answers_commit=True
        )
        return persistence_service_pb2.DeleteRunResponse(run=run)

    async def UndeleteRun(
        self, request: persistence_service_pb2.UndeleteRunRequest, context: Context
    ) -> persistence_service_pb2.UndeleteRunResponse:
        scope = scope_of(request.scope)
        use = key_use_of(request, UNDELETE)
        await self._runs.writer.write(Undelete(scope=scope, run_id=request.run_id, key_use=use))
        run = await self._runs.reader.whole_run(
            (scope.tenant, request.run_id), show_deleted=True, answers_commit=True
        )
        return persistence_service_pb2.UndeleteRunResponse(run=run)

    async def DeleteUserData(
        self, request: persistence_service_pb2.DeleteUserDataRequest, context: Context
    ) -> persistence_service_pb2.DeleteUserDataResponse:
        return await self._elsewhere.user_data.delete(request)

    async def UndeleteUserData(
        self, request: persistence_service_pb2.UndeleteUserDataRequest, context: Context
    ) -> persistence_service_pb2.UndeleteUserDataResponse:
        return await self._elsewhere.user_data.undelete(request)

    async def AnnotateDecision(
        self, request: persistence_service_pb2.AnnotateDecisionRequest, context: Context
    ) -> persistence_service_pb2.AnnotateDecisionResponse:
        scope = scope_of(request.scope)
        await self._runs.writer.write(
            Annotate(
                scope=scope,
                run_id=request.run_id,
                key_use=key_use_of(request, ANNOTATE),
                notes=storable(request.decision_notes, "decision_notes"),
            )
        )
        run = await self._runs.reader.whole_run((scope.tenant, request.run_id), answers_commit=True)
        return persistence_service_pb2.AnnotateDecisionResponse(run=run)

    async def GetDraftText(
        self, request: persistence_service_pb2.GetDraftTextRequest, context: Context
    ) -> persistence_service_pb2.GetDraftTextResponse:
        """Answers with what a draft says, or with the run that the key has started from it."""
        tenant, draft_id = request.scope.tenant, request.draft_id
        use = None
        if request.HasField("idempotency"):
            use = run_key_use(request.scope, SUBMIT, request.idempotency, resource=draft_id)

        def find(connection: Connection) -> persistence_service_pb2.GetDraftTextResponse:
            if use is not None:
                holders = find_holders(connection, [use.scope])
                if run_id := KeyTable({}, holders).check(use):
                    return persistence_service_pb2.GetDraftTextResponse(run_id=run_id)
            text = self._elsewhere.submitted_text(connection, (tenant, draft_id), request.user)
            return persistence_service_pb2.GetDraftTextResponse(text=text)

        return await self._runs.reader.read(tenant, find, f"drafts/{draft_id}")

    async def GetPanel(
        self, request: persistence_service_pb2.GetPanelRequest, context: Context
    ) -> persistence_service_pb2.GetPanelResponse:
        use = panel_key_use(request)
        if use is not None:
            started = await self._runs.reader.read(
                request.scope.tenant,
                lambda connection: KeyTable({}, find_holders(connection, [use.scope])).check(use),
                "idempotency_keys",
            )
            if started:
                return persistence_service_pb2.GetPanelResponse(run_id=started)
        panel = await self._elsewhere.find_panel(request.scope.tenant, request.panel_id, request.revision)
        return persistence_service_pb2.GetPanelResponse(panel=panel)

    async def GetPolicy(
        self, request: persistence_service_pb2.GetPolicyRequest, context: Context
    ) -> persistence_service_pb2.GetPolicyResponse:
        policy = await self._elsewhere.find_policy(request.scope.tenant, request.policy_id, request.revision)
        return persistence_service_pb2.GetPolicyResponse(policy=policy)

    async def RecordExpansion(
        self, request: persistence_service_pb2.RecordExpansionRequest, context: Context
    ) -> persistence_service_pb2.RecordExpansionResponse:
        done = await self._runs.writer.write(
            RecordExpansion(
                scope=scope_of(request.scope),
                expansion_id=request.expansion_id,
                attempts=tuple(attempt_columns(attempt) for attempt in request.attempts),
            )
        )
        refused = map(answer_messages.refused_message, done.refused)
        return persistence_service_pb2.RecordExpansionResponse(refused_attempts=refused)

    async def AuthenticateKey(
        self, request: persistence_service_pb2.AuthenticateKeyRequest, context: Context
    ) -> persistence_service_pb2.AuthenticateKeyResponse:
        return await self._elsewhere.access.authenticate(request)

    async def RecordDenials(
        self, request: persistence_service_pb2.RecordDenialsRequest, context: Context
    ) -> persistence_service_pb2.RecordDenialsResponse:
        return await self._elsewhere.access.record_denials(request)
