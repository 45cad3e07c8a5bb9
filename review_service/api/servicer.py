"""ReviewService: validates, hands over, answers."""
# ruff: noqa: N802 - the methods are named as in the contract

import asyncio
from typing import Any

from uuid_utils.compat import uuid7

from consensus.v1 import (
    persistence_service_pb2,
    review_service_pb2,
    run_pb2,
)
from consensus_contract.errors import RunNotFound
from consensus_contract.steps import EXPAND
from consensus_rpc.channel.channels import hop_timeout
from consensus_rpc.telemetry.log import bind_contextvars
from review_service.api.deleting import DeletingServicer
from review_service.api.info import service_info
from review_service.api.reading import scope_of
from review_service.api.streams import Streams
from review_service.config import ReviewSettings
from review_service.intake.fingerprint import idempotency_claim
from review_service.intake.requests import (
    IntakeLimits,
    check_expand_request,
    check_review_input,
    check_submit_request,
    draft_input,
)
from review_service.intake.revision_plan import plan_revision
from review_service.intake.revisions import check_revise_request
from review_service.intake.specification import expansion_specification, run_specification
from review_service.personas.panel import Panel
from review_service.record.ledger import NewRun
from review_service.record.persistence import Stub
from review_service.runs import record_items as items
from review_service.runs.expansion import Expansion
from review_service.runs.run import Engine
from review_service.runs.worker import Worker
from review_service.steps.expander import first_attempt

_FIRST_ITEMS = (items.step_started(EXPAND),)


class ReviewServicer(DeletingServicer):
    """Answers for runs; keeps none."""

    def __init__(
        self,
        settings: ReviewSettings,
        panel: Panel,
        engine: Engine,
        stub: Stub,
        worker: Worker,
        streams: Streams,
    ) -> None:
        """Takes the process's objects."""
        super().__init__(stub)
        self._settings = settings
        self._panel = panel
        self._engine = engine
        self._worker = worker
        self._streams = streams
        self._limits = IntakeLimits(
            max_idea_characters=settings.max_idea_characters,
            max_idea_sentences=settings.max_idea_sentences,
            max_context_characters=settings.max_context_characters,
            max_edited_proposal_characters=settings.max_edited_proposal_characters,
            max_edit_notes_characters=settings.max_edit_notes_characters,
        )
        self._info = service_info(settings, panel.personas)

    async def StreamReview(  # type: ignore[override]  # it writes to the context itself, to bound each write
        self, request: review_service_pb2.StreamReviewRequest, context: Any
    ) -> None:
        """See the contract."""
        specification = self._specification(request.review)
        run = NewRun(
            scope=scope_of(context),
            run_id=str(uuid7()),
            specification=specification,
            idempotency=idempotency_claim(request, request.idempotency_key),
            first_attempts=[first_attempt(specification)],
            first_items=_FIRST_ITEMS,
        )
        cancels = request.on_disconnect == review_service_pb2.ON_DISCONNECT_CANCEL
        await self._streams.review(run, context, cancels_on_disconnect=cancels)

    async def StartReview(
        self, request: review_service_pb2.StartReviewRequest, context: Any
    ) -> review_service_pb2.StartReviewResponse:
        """See the contract."""
        creation = persistence_service_pb2.CreateRunRequest(
            scope=scope_of(context),
            run_id=str(uuid7()),
            specification=self._specification(request.review),
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.CreateRun, creation, context)
        bind_contextvars(run_id=answer.run.run_id)
        self._worker.wake()
        return review_service_pb2.StartReviewResponse(run=answer.run)

    async def WatchRun(  # type: ignore[override]  # it writes to the context itself, to bound each write
        self, request: review_service_pb2.WatchRunRequest, context: Any
    ) -> None:
        """See the contract."""
        await self._streams.watch(scope_of(context), request, context)

    async def ReviseRun(
        self, request: review_service_pb2.ReviseRunRequest, context: Any
    ) -> review_service_pb2.ReviseRunResponse:
        """See the contract."""
        edits = check_revise_request(request, self._panel.ids, self._limits)
        parent = await self._parent(request, context)
        revision = plan_revision(self._settings, self._panel.personas, request, edits, parent)
        creation = persistence_service_pb2.CreateRunRequest(
            scope=scope_of(context),
            run_id=str(uuid7()),
            specification=revision.specification,
            idempotency=idempotency_claim(request, request.idempotency_key),
            carried_reviews=revision.carried_reviews,
        )
        answer = await self.ask(self._stub.CreateRun, creation, context)
        bind_contextvars(run_id=answer.run.run_id)
        self._worker.wake()
        return review_service_pb2.ReviseRunResponse(run=answer.run)

    async def SubmitDraft(
        self, request: review_service_pb2.SubmitDraftRequest, context: Any
    ) -> review_service_pb2.SubmitDraftResponse:
        """See the contract."""
        check_submit_request(request, self._limits)
        asked = persistence_service_pb2.GetDraftTextRequest(
            scope=scope_of(context),
            draft_id=request.draft_id,
            user=request.user,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        draft = await self.ask(self._stub.GetDraftText, asked, context)
        if draft.HasField("run_id"):
            run = await self.run(draft.run_id, context)
        else:
            run = await self._start_from_draft(request, draft.text, context)
        bind_contextvars(run_id=run.run_id)
        return review_service_pb2.SubmitDraftResponse(run=run)

    async def CancelRun(
        self, request: review_service_pb2.CancelRunRequest, context: Any
    ) -> review_service_pb2.CancelRunResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceCancelRunRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.CancelRun, asked, context)
        return review_service_pb2.CancelRunResponse(run=answer.run)

    async def ResumeRun(
        self, request: review_service_pb2.ResumeRunRequest, context: Any
    ) -> review_service_pb2.ResumeRunResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceResumeRunRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.ResumeRun, asked, context)
        self._worker.wake()
        return review_service_pb2.ResumeRunResponse(run=answer.run)

    async def AnnotateDecision(
        self, request: review_service_pb2.AnnotateDecisionRequest, context: Any
    ) -> review_service_pb2.AnnotateDecisionResponse:
        """See the contract."""
        bind_contextvars(run_id=request.run_id)
        asked = persistence_service_pb2.PersistenceServiceAnnotateDecisionRequest(
            scope=scope_of(context),
            run_id=request.run_id,
            decision_notes=request.decision_notes,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        answer = await self.ask(self._stub.AnnotateDecision, asked, context)
        return review_service_pb2.AnnotateDecisionResponse(run=answer.run)

    async def ExpandIdea(
        self, request: review_service_pb2.ExpandIdeaRequest, context: Any
    ) -> review_service_pb2.ExpandIdeaResponse:
        """See the contract."""
        clean = check_expand_request(request, self._limits)
        specification = expansion_specification(self._settings, clean, request)
        seconds = hop_timeout(context, ceiling_seconds=self._settings.run_timeout_seconds)
        assert seconds is not None, "a ceiling bounds it"
        expansion = Expansion(self._stub, scope_of(context), str(uuid7()))
        work = asyncio.create_task(expansion.expand(self._engine.expander, specification, seconds))
        try:
            proposal = await asyncio.shield(work)
        except asyncio.CancelledError:
            work.cancel()
            # What is known of its calls is written down without the caller.
            self._worker.run_errand(_settled(work))
            raise
        return review_service_pb2.ExpandIdeaResponse(expansion_id=expansion.expansion_id, proposal=proposal)

    async def ListPersonas(
        self, _request: review_service_pb2.ListPersonasRequest, _context: Any
    ) -> review_service_pb2.ListPersonasResponse:
        """See the contract."""
        return review_service_pb2.ListPersonasResponse(personas=self._panel.personas)

    async def GetServiceInfo(
        self, _request: review_service_pb2.GetServiceInfoRequest, _context: Any
    ) -> review_service_pb2.GetServiceInfoResponse:
        """See the contract."""
        return self._info

    async def _start_from_draft(
        self, request: review_service_pb2.SubmitDraftRequest, text: str, context: Any
    ) -> run_pb2.Run:
        clean = draft_input(text, request, self._limits)
        review = review_service_pb2.ReviewInput(user=request.user, options=request.options)
        specification = run_specification(self._settings, self._panel.personas, clean, review)
        specification.draft_id = request.draft_id
        creation = persistence_service_pb2.CreateRunRequest(
            scope=scope_of(context),
            run_id=str(uuid7()),
            specification=specification,
            idempotency=idempotency_claim(request, request.idempotency_key),
        )
        run: run_pb2.Run = (await self.ask(self._stub.CreateRun, creation, context)).run
        self._worker.wake()
        return run

    def _specification(self, review: review_service_pb2.ReviewInput) -> Any:
        clean = check_review_input(review, self._limits)
        return run_specification(self._settings, self._panel.personas, clean, review)

    async def _parent(self, request: review_service_pb2.ReviseRunRequest, context: Any) -> run_pb2.Run:
        """The run to revise, as far as it is there.

        Whether it may be revised, persistence decides, after it has looked the idempotency key up: a key that
        is in use is answered whatever became of the parent.
        """
        try:
            return await self.run(request.parent_run_id, context)
        except RunNotFound:
            return run_pb2.Run(run_id=request.parent_run_id)


async def _settled(work: "asyncio.Task[Any]") -> None:
    await asyncio.gather(work, return_exceptions=True)
