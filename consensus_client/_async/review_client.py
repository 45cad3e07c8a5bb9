"""The asynchronous client of ReviewService."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence

from consensus.v1 import (
    attempt_pb2,
    document_pb2,
    panel_pb2,
    proposal_pb2,
    review_service_pb2,
    review_service_pb2_grpc,
    run_event_pb2,
    run_pb2,
)
from consensus_client._async.connection import each_page
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import AsyncStream, Channel, Sleep
from consensus_client.cursors import ExportCursor, RunCursor, RunMessage
from consensus_client.options import DEFAULT_SERVER, ClientOptions
from consensus_client.requests import (
    Context,
    ReviewOptions,
    RunQuery,
    Subject,
    extra_context,
    merge_pages,
    new_key,
    review_input,
    revise_request,
    submit_request,
)
from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_rpc.channel.channels import CallOptions


class ReviewClient(AsyncServiceClient):
    """Starts, follows and asks for runs; raises the errors of the contract
    (`consensus_contract.errors`, `consensus_rpc.errors`).

    `target` is `host:port` or `dns:///host:port` (all its addresses in turn). Every changing call carries an
    idempotency key, a fresh one where none is given, and is sent again on a passing failure. Use it as
    `async with`, or call `close`.
    """

    def __init__(
        self,
        target: str = DEFAULT_SERVER,
        options: ClientOptions | None = None,
        *,
        channel: Channel | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        super().__init__(target, options, channel=channel, sleep=sleep)

    def _attach(self, channel: Channel) -> None:
        self._stub = review_service_pb2_grpc.ReviewServiceStub(channel)

    def review(
        self,
        idea: Subject,
        *,
        context: Context | None = None,
        attachments: Sequence[document_pb2.Attachment] = (),
        summarise: bool = False,
        user: str = "",
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
        on_disconnect: review_service_pb2.OnDisconnect.ValueType = review_service_pb2.ON_DISCONNECT_CONTINUE,
        timeout: float | None = None,
    ) -> AsyncGenerator[run_event_pb2.RunEvent]:
        """Starts a run and yields its events, each exactly once, over any number of cut streams.

        `idea` is a text, or what `document` makes, or a proposal. `attachments` are shown to the panel as
        evidence; with `summarise` a document is expanded into a proposal too, for the panel to read.
        `timeout` (seconds) bounds this call, not the run.

        Raises:
            ConsensusError: after the last event of a run that failed or was cancelled; on a refusal; when the
                server stays out of reach (then `run_id` says what to watch, if the run had begun).
        """
        start = review_service_pb2.StreamReviewRequest(
            review=review_input(idea, context, user, options, attachments, summarise),
            idempotency_key=new_key(idempotency_key),
            on_disconnect=on_disconnect,
        )
        return self._follow(RunCursor(), start, timeout)

    def watch_run(
        self, run_id: str, *, after_sequence: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[run_event_pb2.RunEvent]:
        """Yields the events of a run after `after_sequence`, as `review` does."""
        return self._follow(RunCursor(run_id, after_sequence), None, timeout)

    async def start_review(
        self,
        idea: Subject,
        *,
        context: Context | None = None,
        attachments: Sequence[document_pb2.Attachment] = (),
        summarise: bool = False,
        user: str = "",
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
    ) -> run_pb2.Run:
        """Starts a run and returns at once, with the run QUEUED."""
        request = review_service_pb2.StartReviewRequest(
            review=review_input(idea, context, user, options, attachments, summarise),
            idempotency_key=new_key(idempotency_key),
        )
        return (await self._connection.call(self._stub.StartReview, request)).run

    async def submit_draft(
        self,
        draft_id: str,
        *,
        user: str,
        context: Context | None = None,
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
    ) -> run_pb2.Run:
        """Starts a run whose idea is a draft, for a user who may write in it; returns at once."""
        request = submit_request(draft_id, user, context, options)
        request.idempotency_key = new_key(idempotency_key)
        return (await self._connection.call(self._stub.SubmitDraft, request)).run

    async def get_run(self, run_id: str, *, show_deleted: bool = False) -> run_pb2.Run:
        """A run, whole; a deleted one only where asked for."""
        request = review_service_pb2.GetRunRequest(run_id=run_id, show_deleted=show_deleted)
        return (await self._connection.call(self._stub.GetRun, request)).run

    async def list_runs(
        self,
        query: RunQuery | None = None,
        *,
        page_size: int = 0,
        page_token: str = "",
        show_deleted: bool = False,
    ) -> review_service_pb2.ListRunsResponse:
        """A page of runs, newest first; `page_size` 1 to 100, 0 for 30. Deleted ones only where asked for."""
        request = review_service_pb2.ListRunsRequest(
            filter=(query or RunQuery()).message(),
            page_size=page_size,
            page_token=page_token,
            show_deleted=show_deleted,
        )
        return await self._connection.call(self._stub.ListRuns, request)

    async def runs(
        self, query: RunQuery | None = None, *, page_size: int = 0, show_deleted: bool = False
    ) -> AsyncIterator[run_pb2.Run]:
        """All runs of all pages, newest first."""
        async for page in each_page(
            lambda token: self.list_runs(
                query, page_size=page_size, page_token=token, show_deleted=show_deleted
            )
        ):
            for run in page.runs:
                yield run

    async def list_attempts(
        self, run_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> review_service_pb2.ListAttemptsResponse:
        """A page of the calls to the model of a run, or of an expansion."""
        request = review_service_pb2.ListAttemptsRequest(
            run_id=run_id, page_size=page_size, page_token=page_token
        )
        return await self._connection.call(self._stub.ListAttempts, request)

    async def attempts(self, run_id: str, *, page_size: int = 0) -> AsyncIterator[attempt_pb2.Attempt]:
        """All calls to the model of all pages."""
        async for page in each_page(
            lambda token: self.list_attempts(run_id, page_size=page_size, page_token=token)
        ):
            for attempt in page.attempts:
                yield attempt

    async def cancel_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Ends a run that has not ended; the run as it stands afterwards."""
        request = review_service_pb2.CancelRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return (await self._connection.call(self._stub.CancelRun, request)).run

    async def resume_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Goes on with a failed run; the run as it stands afterwards."""
        request = review_service_pb2.ResumeRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return (await self._connection.call(self._stub.ResumeRun, request)).run

    async def annotate_decision(
        self, run_id: str, decision_notes: str, *, idempotency_key: str | None = None
    ) -> run_pb2.Run:
        """Notes something about a decision (empty removes the note); the run as it stands afterwards."""
        request = review_service_pb2.AnnotateDecisionRequest(
            run_id=run_id, decision_notes=decision_notes, idempotency_key=new_key(idempotency_key)
        )
        return (await self._connection.call(self._stub.AnnotateDecision, request)).run

    async def expand_idea(
        self,
        idea: str,
        *,
        context: Context | None = None,
        model: str = "",
        temperature: float | None = None,
        omit_temperature: bool = False,
    ) -> review_service_pb2.ExpandIdeaResponse:
        """Expands an idea without starting a run. It has no idempotency key, so it is never sent twice."""
        request = review_service_pb2.ExpandIdeaRequest(
            idea=idea,
            context=extra_context(context),
            expand_model=model,
            expand_temperature=temperature,
            omit_expand_temperature=omit_temperature,
        )
        return await self._connection.call_once(
            self._stub.ExpandIdea, request, self._connection.options.expand_seconds
        )

    async def list_personas(self) -> list[panel_pb2.Persona]:
        """The panel, in persona order."""
        request = review_service_pb2.ListPersonasRequest()
        return list((await self._connection.call(self._stub.ListPersonas, request)).personas)

    async def get_service_info(self) -> review_service_pb2.GetServiceInfoResponse:
        """Versions, limits and models in force."""
        return await self._connection.call(
            self._stub.GetServiceInfo, review_service_pb2.GetServiceInfoRequest()
        )

    async def revise_run(
        self,
        parent_run_id: str,
        *,
        edit_notes: str = "",
        edited_proposal: proposal_pb2.Proposal | None = None,
        edited_document: document_pb2.Document | None = None,
        attachments: Sequence[document_pb2.Attachment] = (),
        personas: Sequence[str] = (),
        all_personas: bool = False,
        user: str = "",
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
    ) -> run_pb2.Run:
        """Starts a run that revises a completed one and returns at once; `watch_run` follows it.

        At least one of the edits is given; of a run over a document that is the whole document. `personas`
        are asked again; without them those that were not content, or all with `all_personas`.
        """
        request = revise_request(
            parent_run_id, edit_notes, edited_proposal, options, edited_document, attachments
        )
        request.personas.extend(personas)
        request.all_personas = all_personas
        request.user = user
        request.idempotency_key = new_key(idempotency_key)
        return (await self._connection.call(self._stub.ReviseRun, request)).run

    async def diff_runs(self, run_id_a: str, run_id_b: str) -> review_service_pb2.DiffRunsResponse:
        """What differs from run `a` to run `b`, with all lines of all pages."""

        def ask(token: str) -> Awaitable[review_service_pb2.DiffRunsResponse]:
            request = review_service_pb2.DiffRunsRequest(
                run_id_a=run_id_a, run_id_b=run_id_b, page_size=MAX_PAGE_SIZE, page_token=token
            )
            return self._connection.call(self._stub.DiffRuns, request)

        return merge_pages([page async for page in each_page(ask)])

    async def list_persona_reviews(
        self, run_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> review_service_pb2.ListPersonaReviewsResponse:
        """A page of a run's reviews, in persona order."""
        request = review_service_pb2.ListPersonaReviewsRequest(
            run_id=run_id, page_size=page_size, page_token=page_token
        )
        return await self._connection.call(self._stub.ListPersonaReviews, request)

    async def persona_reviews(self, run_id: str) -> AsyncIterator[panel_pb2.PersonaReview]:
        """All reviews of all pages."""
        async for page in each_page(lambda token: self.list_persona_reviews(run_id, page_token=token)):
            for review in page.persona_reviews:
                yield review

    def export_runs(self, query: RunQuery | None = None) -> AsyncGenerator[run_pb2.Run]:
        """All runs, whole, newest first; a stream that is cut goes on after the last run that came."""
        cursor = ExportCursor((query or RunQuery()).message())
        return self._connection.follow(
            cursor, lambda options: self._stub.ExportRuns(cursor.request(), **options), idle_seconds=None
        )

    async def delete_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Deletes a run that has ended, so that it can be restored; the deleted run."""
        request = review_service_pb2.DeleteRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return (await self._connection.call(self._stub.DeleteRun, request)).run

    async def undelete_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Restores a deleted run; the run as it stands afterwards."""
        key = new_key(idempotency_key)
        request = review_service_pb2.UndeleteRunRequest(run_id=run_id, idempotency_key=key)
        return (await self._connection.call(self._stub.UndeleteRun, request)).run

    async def delete_user_data(
        self, user: str, *, idempotency_key: str | None = None
    ) -> review_service_pb2.DeleteUserDataResponse:
        """Deletes a user's runs, drafts and metrics as one deletion; the runs must have ended."""
        key = new_key(idempotency_key)
        request = review_service_pb2.DeleteUserDataRequest(user=user, idempotency_key=key)
        return await self._connection.call(self._stub.DeleteUserData, request)

    async def undelete_user_data(
        self, deletion_id: str, *, idempotency_key: str | None = None
    ) -> review_service_pb2.UndeleteUserDataResponse:
        """Restores what went with one deletion."""
        key = new_key(idempotency_key)
        request = review_service_pb2.UndeleteUserDataRequest(deletion_id=deletion_id, idempotency_key=key)
        return await self._connection.call(self._stub.UndeleteUserData, request)

    def _follow(
        self, cursor: RunCursor, start: review_service_pb2.StreamReviewRequest | None, timeout: float | None
    ) -> AsyncGenerator[run_event_pb2.RunEvent]:
        def opening(options: CallOptions) -> AsyncStream[RunMessage]:
            """The start again until the first event came: its key makes that the same run; then the rest."""
            watch = cursor.watch_request()
            if watch is not None:
                return self._stub.WatchRun(watch, **options)
            assert start is not None, "a cursor without a run has a start"
            return self._stub.StreamReview(start, **options)

        idle_seconds = self._connection.options.idle_seconds
        return self._connection.follow(cursor, opening, idle_seconds=idle_seconds, timeout=timeout)
