"""ReviewService: validates, hands over, answers."""
# ruff: noqa: N802 - the methods are named as in the contract

import asyncio
from collections.abc import AsyncIterator, Sequence

from uuid_utils.compat import uuid7

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import panel_pb2, proposal_pb2, review_service_pb2, review_service_pb2_grpc, run_pb2
from consensus_contract.errors import RunNotFound
from consensus_rpc.channel.deadline import HasTimeRemaining, hop_timeout
from consensus_rpc.errors import InvalidField
from consensus_rpc.telemetry.log import bind_contextvars
from review_service.api.caller import caller_for_run, caller_of
from review_service.api.choosing import Chooser
from review_service.api.info import service_info
from review_service.api.model_routes import ModelRoutes
from review_service.api.streams import ReviewContext, Streams, WatchContext
from review_service.comparing.pages import diff_page
from review_service.comparing.run_diff import diff_runs
from review_service.config import ReviewSettings
from review_service.intake.fingerprint import idempotency_claim
from review_service.intake.intake import Intake
from review_service.personas.panel import BuiltInPanel
from review_service.record.gateway import Caller, PersistenceGateway
from review_service.record.stream import read
from review_service.runs.expansion import expand_idea
from review_service.runs.run import ModelSteps, new_run
from review_service.runs.worker import Worker


class ReviewServicer(review_service_pb2_grpc.ReviewServiceServicer):
    """Answers for runs; keeps none."""

    def __init__(
        self,
        settings: ReviewSettings,
        panel: BuiltInPanel,
        steps: ModelSteps,
        gateway: PersistenceGateway,
        worker: Worker,
        streams: Streams,
        routes: ModelRoutes,
    ) -> None:
        self._run_timeout_seconds = settings.run_timeout_seconds
        self._intake = Intake(settings, panel)
        self._personas = panel.personas
        self._steps = steps
        self._gateway = gateway
        self._chooser = Chooser(gateway, self._intake.built_in)
        self._worker = worker
        self._streams = streams
        self._routes = routes
        self._info = service_info(settings, panel.personas)

    # Runs begin and are followed.

    async def StreamReview(  # type: ignore[override]  # it writes to the context itself, to bound each write
        self, request: review_service_pb2.StreamReviewRequest, context: ReviewContext
    ) -> None:
        claim = idempotency_claim(request, request.idempotency_key)
        caller = caller_of(context)
        specification = await self._specification(caller, request.review, claim)
        run = new_run(caller.scope, str(uuid7()), specification, claim)
        written = specification.proposal if specification.HasField("proposal") else None
        await self._steps.set_most_costs(run.run_id, specification, run.first_attempts, written)
        cancels = request.on_disconnect == review_service_pb2.ON_DISCONNECT_CANCEL
        await self._streams.review(run, context, cancels_on_disconnect=cancels)

    async def WatchRun(  # type: ignore[override]  # it writes to the context itself, to bound each write
        self, request: review_service_pb2.WatchRunRequest, context: WatchContext
    ) -> None:
        await self._streams.watch(request, context)

    async def StartReview(
        self, request: review_service_pb2.StartReviewRequest, context: HasTimeRemaining
    ) -> review_service_pb2.StartReviewResponse:
        claim = idempotency_claim(request, request.idempotency_key)
        caller = caller_of(context)
        specification = await self._specification(caller, request.review, claim)
        run = await self._create(caller, specification, claim)
        return review_service_pb2.StartReviewResponse(run=run)

    async def ReviseRun(
        self, request: review_service_pb2.ReviseRunRequest, context: HasTimeRemaining
    ) -> review_service_pb2.ReviseRunResponse:
        edits = self._intake.edits(request)
        caller = caller_of(context)
        parent = await self._parent(caller, request.parent_run_id)
        claim = idempotency_claim(request, request.idempotency_key)
        panel = await self._chooser.choose(caller, request.options, claim, parent)
        plan = self._intake.revision
        is_over_document = parent.specification.HasField("document")
        revision = (
            await asyncio.to_thread(plan, request, edits, parent, panel)
            if is_over_document
            else plan(request, edits, parent, panel)
        )
        run = await self._create(caller, revision.specification, claim, revision.carried_reviews)
        return review_service_pb2.ReviseRunResponse(run=run)

    async def SubmitDraft(
        self, request: review_service_pb2.SubmitDraftRequest, context: HasTimeRemaining
    ) -> review_service_pb2.SubmitDraftResponse:
        self._intake.check_submission(request)
        caller = caller_of(context)
        claim = idempotency_claim(request, request.idempotency_key)
        draft = await self._gateway.get_draft_text(caller, request.draft_id, request.user, claim)
        if draft.HasField("run_id"):
            bind_contextvars(run_id=draft.run_id)
            run = await self._gateway.get_run(caller, draft.run_id)
        else:
            panel = await self._chooser.choose(caller, request.options, None)
            run = await self._create(caller, self._intake.draft(request, draft.text, panel), claim)
        return review_service_pb2.SubmitDraftResponse(run=run)

    async def ExpandIdea(
        self, request: review_service_pb2.ExpandIdeaRequest, context: HasTimeRemaining
    ) -> review_service_pb2.ExpandIdeaResponse:
        specification = self._intake.expansion(request)
        seconds = hop_timeout(context, ceiling_seconds=self._run_timeout_seconds)
        assert seconds is not None, "a ceiling bounds it"
        scope, expansion_id = caller_of(context).scope, str(uuid7())
        work = asyncio.create_task(
            expand_idea(self._gateway, scope, expansion_id, self._steps.expander, specification, seconds)
        )
        try:
            proposal = await asyncio.shield(work)
        except asyncio.CancelledError:
            work.cancel()
            # What is known of its calls is written down without the caller.
            self._worker.run_errand(_settled(work))
            raise
        return review_service_pb2.ExpandIdeaResponse(expansion_id=expansion_id, proposal=proposal)

    # Runs are changed.

    async def CancelRun(
        self, request: review_service_pb2.CancelRunRequest, context: HasTimeRemaining
    ) -> review_service_pb2.CancelRunResponse:
        bind_contextvars(run_id=request.run_id)
        claim = idempotency_claim(request, request.idempotency_key)
        caller = await caller_for_run(context, self._gateway, request.run_id)
        run = await self._gateway.cancel_run(caller, request.run_id, claim)
        return review_service_pb2.CancelRunResponse(run=run)

    async def ResumeRun(
        self, request: review_service_pb2.ResumeRunRequest, context: HasTimeRemaining
    ) -> review_service_pb2.ResumeRunResponse:
        bind_contextvars(run_id=request.run_id)
        claim = idempotency_claim(request, request.idempotency_key)
        caller = await caller_for_run(context, self._gateway, request.run_id)
        run = await self._gateway.resume_run(caller, request.run_id, claim)
        self._worker.wake()
        return review_service_pb2.ResumeRunResponse(run=run)

    async def AnnotateDecision(
        self, request: review_service_pb2.AnnotateDecisionRequest, context: HasTimeRemaining
    ) -> review_service_pb2.AnnotateDecisionResponse:
        bind_contextvars(run_id=request.run_id)
        claim = idempotency_claim(request, request.idempotency_key)
        notes = request.decision_notes
        run = await self._gateway.annotate_decision(caller_of(context), request.run_id, notes, claim)
        return review_service_pb2.AnnotateDecisionResponse(run=run)

    async def DeleteRun(
        self, request: review_service_pb2.DeleteRunRequest, context: HasTimeRemaining
    ) -> review_service_pb2.DeleteRunResponse:
        bind_contextvars(run_id=request.run_id)
        claim = idempotency_claim(request, request.idempotency_key)
        caller = await caller_for_run(context, self._gateway, request.run_id)
        run = await self._gateway.delete_run(caller, request.run_id, claim)
        return review_service_pb2.DeleteRunResponse(run=run)

    async def UndeleteRun(
        self, request: review_service_pb2.UndeleteRunRequest, context: HasTimeRemaining
    ) -> review_service_pb2.UndeleteRunResponse:
        bind_contextvars(run_id=request.run_id)
        claim = idempotency_claim(request, request.idempotency_key)
        caller = await caller_for_run(context, self._gateway, request.run_id)
        run = await self._gateway.undelete_run(caller, request.run_id, claim)
        return review_service_pb2.UndeleteRunResponse(run=run)

    async def DeleteUserData(
        self, request: review_service_pb2.DeleteUserDataRequest, context: HasTimeRemaining
    ) -> review_service_pb2.DeleteUserDataResponse:
        claim = idempotency_claim(request, request.idempotency_key)
        deleted = await self._gateway.delete_user_data(caller_of(context), request.user, claim)
        return review_service_pb2.DeleteUserDataResponse(
            deletion_id=deleted.deletion_id,
            run_count=deleted.run_count,
            draft_count=deleted.draft_count,
            metric_count=deleted.metric_count,
        )

    async def UndeleteUserData(
        self, request: review_service_pb2.UndeleteUserDataRequest, context: HasTimeRemaining
    ) -> review_service_pb2.UndeleteUserDataResponse:
        claim = idempotency_claim(request, request.idempotency_key)
        restored = await self._gateway.undelete_user_data(caller_of(context), request.deletion_id, claim)
        return review_service_pb2.UndeleteUserDataResponse(
            run_count=restored.run_count,
            draft_count=restored.draft_count,
            metric_count=restored.metric_count,
        )

    # Runs are read.

    async def GetRun(
        self, request: review_service_pb2.GetRunRequest, context: HasTimeRemaining
    ) -> review_service_pb2.GetRunResponse:
        bind_contextvars(run_id=request.run_id)
        run = await self._gateway.get_run(
            caller_of(context), request.run_id, show_deleted=request.show_deleted
        )
        return review_service_pb2.GetRunResponse(run=run)

    async def ListRuns(
        self, request: review_service_pb2.ListRunsRequest, context: HasTimeRemaining
    ) -> review_service_pb2.ListRunsResponse:
        page = await self._gateway.list_runs(caller_of(context), request)
        return review_service_pb2.ListRunsResponse(runs=page.runs, next_page_token=page.next_page_token)

    async def ListAttempts(
        self, request: review_service_pb2.ListAttemptsRequest, context: HasTimeRemaining
    ) -> review_service_pb2.ListAttemptsResponse:
        bind_contextvars(run_id=request.run_id)
        page = await self._gateway.list_attempts(caller_of(context), request)
        return review_service_pb2.ListAttemptsResponse(
            attempts=page.attempts, next_page_token=page.next_page_token
        )

    async def ListPersonaReviews(
        self, request: review_service_pb2.ListPersonaReviewsRequest, context: HasTimeRemaining
    ) -> review_service_pb2.ListPersonaReviewsResponse:
        bind_contextvars(run_id=request.run_id)
        page = await self._gateway.list_persona_reviews(caller_of(context), request)
        return review_service_pb2.ListPersonaReviewsResponse(
            persona_reviews=page.persona_reviews, next_page_token=page.next_page_token
        )

    async def ExportRuns(
        self, request: review_service_pb2.ExportRunsRequest, context: HasTimeRemaining
    ) -> AsyncIterator[review_service_pb2.ExportRunsResponse]:
        exported = self._gateway.export_runs(caller_of(context), request)
        try:
            while (message := await read(exported)) is not None:
                yield review_service_pb2.ExportRunsResponse(run=message.run, page_token=message.page_token)
        finally:
            exported.cancel()

    async def DiffRuns(
        self, request: review_service_pb2.DiffRunsRequest, context: HasTimeRemaining
    ) -> review_service_pb2.DiffRunsResponse:
        ids = request.run_id_a, request.run_id_b
        if ids[0] == ids[1]:
            raise InvalidField(field="run_id_b", description="must be another run than run_id_a")
        caller = caller_of(context)
        a, b = await asyncio.gather(*(self._gateway.get_reviewed_run(caller, run_id) for run_id in ids))
        whole = await asyncio.to_thread(diff_runs, a, b)
        binding = (caller.scope.tenant, *ids)
        return diff_page(whole, binding, request.page_size, request.page_token)

    async def ListPersonas(
        self, _request: review_service_pb2.ListPersonasRequest, _context: HasTimeRemaining
    ) -> review_service_pb2.ListPersonasResponse:
        return review_service_pb2.ListPersonasResponse(personas=self._personas)

    async def ProbeModelRoutes(
        self, request: review_service_pb2.ProbeModelRoutesRequest, _context: HasTimeRemaining
    ) -> review_service_pb2.ProbeModelRoutesResponse:
        return await self._routes.probe(request)

    async def GetServiceInfo(
        self, _request: review_service_pb2.GetServiceInfoRequest, _context: HasTimeRemaining
    ) -> review_service_pb2.GetServiceInfoResponse:
        info = review_service_pb2.GetServiceInfoResponse()
        info.CopyFrom(self._info)
        info.routes.extend(self._routes.described())
        info.model_route.CopyFrom(info.routes[0])
        return info

    async def _specification(
        self,
        caller: Caller,
        review: review_service_pb2.ReviewInput,
        claim: persistence_service_pb2.IdempotencyClaim | None,
    ) -> run_pb2.RunSpecification:
        """What a run is to do; a long text, or one of many short lines, takes longer to read than others may
        wait.
        """
        panel = await self._chooser.choose(caller, review.options, claim, field="review.options")
        if review.HasField("document") or review.attachments:
            return await asyncio.to_thread(self._intake.review, review, panel)
        return self._intake.review(review, panel)

    async def _create(
        self,
        caller: Caller,
        specification: run_pb2.RunSpecification,
        claim: persistence_service_pb2.IdempotencyClaim | None,
        carried_reviews: Sequence[panel_pb2.PersonaReview] = (),
    ) -> run_pb2.Run:
        """A new run, for any process's worker to begin."""
        run = await self._gateway.create_run(caller, str(uuid7()), specification, claim, carried_reviews)
        bind_contextvars(run_id=run.run_id)
        self._worker.wake()
        return run

    async def _parent(self, caller: Caller, run_id: str) -> run_pb2.Run:
        """The run to revise, as far as it is there.

        Whether it may be revised, persistence decides, after it has looked the idempotency key up: a key that
        is in use is answered whatever became of the parent.
        """
        try:
            return await self._gateway.get_reviewed_run(caller, run_id)
        except RunNotFound:
            return run_pb2.Run(run_id=run_id)


async def _settled(work: asyncio.Task[proposal_pb2.Proposal]) -> None:
    await asyncio.gather(work, return_exceptions=True)
