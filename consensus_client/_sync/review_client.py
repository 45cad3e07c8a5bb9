# Made by `make sync` from consensus_client/_async/review_client.py; never edited.
"""The synchronous client of ReviewService."""

from collections.abc import Generator, Iterator, Sequence

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
from consensus_client._sync.connection import each_page
from consensus_client._sync.service_client import SyncServiceClient
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
from consensus_client.sync_transport import Channel, Sleep, SyncStream
from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_rpc.channel.channels import CallOptions


class SyncReviewClient(SyncServiceClient):
    """Starts, follows and asks for runs; raises the errors of the contract
    (`consensus_contract.errors`, `consensus_rpc.errors`).

    `target` is `host:port` or `dns:///host:port` (all its addresses in turn). Every changing call carries an
    idempotency key, a fresh one where none is given, and is sent again on a passing failure. Use it as
    `with`, or call `close`.
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
    ) -> Generator[run_event_pb2.RunEvent]:
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
    ) -> Generator[run_event_pb2.RunEvent]:
        """Yields the events of a run after `after_sequence`, as `review` does."""
        return self._follow(RunCursor(run_id, after_sequence), None, timeout)

    def start_review(
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
        return self._connection.call(self._stub.StartReview, request).run

    def submit_draft(
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
        return self._connection.call(self._stub.SubmitDraft, request).run

    def get_run(self, run_id: str, *, show_deleted: bool = False) -> run_pb2.Run:
        """A run, whole; a deleted one only where asked for."""
        request = review_service_pb2.GetRunRequest(run_id=run_id, show_deleted=show_deleted)
        return self._connection.call(self._stub.GetRun, request).run

    def list_runs(
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
        return self._connection.call(self._stub.ListRuns, request)

    def runs(
        self, query: RunQuery | None = None, *, page_size: int = 0, show_deleted: bool = False
    ) -> Iterator[run_pb2.Run]:
        """All runs of all pages, newest first."""
        for page in each_page(
            lambda token: self.list_runs(
                query, page_size=page_size, page_token=token, show_deleted=show_deleted
            )
        ):
            yield from page.runs

    def list_attempts(
        self, run_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> review_service_pb2.ListAttemptsResponse:
        """A page of the calls to the model of a run, or of an expansion."""
        request = review_service_pb2.ListAttemptsRequest(
            run_id=run_id, page_size=page_size, page_token=page_token
        )
        return self._connection.call(self._stub.ListAttempts, request)

    def attempts(self, run_id: str, *, page_size: int = 0) -> Iterator[attempt_pb2.Attempt]:
        """All calls to the model of all pages."""
        for page in each_page(
            lambda token: self.list_attempts(run_id, page_size=page_size, page_token=token)
        ):
            yield from page.attempts

    def cancel_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Ends a run that has not ended; the run as it stands afterwards."""
        request = review_service_pb2.CancelRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return self._connection.call(self._stub.CancelRun, request).run

    def resume_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Goes on with a failed run; the run as it stands afterwards."""
        request = review_service_pb2.ResumeRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return self._connection.call(self._stub.ResumeRun, request).run

    def annotate_decision(
        self, run_id: str, decision_notes: str, *, idempotency_key: str | None = None
    ) -> run_pb2.Run:
        """Notes something about a decision (empty removes the note); the run as it stands afterwards."""
        request = review_service_pb2.AnnotateDecisionRequest(
            run_id=run_id, decision_notes=decision_notes, idempotency_key=new_key(idempotency_key)
        )
        return self._connection.call(self._stub.AnnotateDecision, request).run

    def expand_idea(
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
        return self._connection.call_once(
            self._stub.ExpandIdea, request, self._connection.options.expand_seconds
        )

    def list_personas(self) -> list[panel_pb2.Persona]:
        """The panel, in persona order."""
        request = review_service_pb2.ListPersonasRequest()
        return list(self._connection.call(self._stub.ListPersonas, request).personas)

    def get_service_info(self) -> review_service_pb2.GetServiceInfoResponse:
        """Versions, limits and models in force."""
        return self._connection.call(self._stub.GetServiceInfo, review_service_pb2.GetServiceInfoRequest())

    def revise_run(
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
        return self._connection.call(self._stub.ReviseRun, request).run

    def diff_runs(self, run_id_a: str, run_id_b: str) -> review_service_pb2.DiffRunsResponse:
        """What differs from run `a` to run `b`, with all lines of all pages."""

        def ask(token: str) -> review_service_pb2.DiffRunsResponse:
            request = review_service_pb2.DiffRunsRequest(
                run_id_a=run_id_a, run_id_b=run_id_b, page_size=MAX_PAGE_SIZE, page_token=token
            )
            return self._connection.call(self._stub.DiffRuns, request)

        return merge_pages(list(each_page(ask)))

    def list_persona_reviews(
        self, run_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> review_service_pb2.ListPersonaReviewsResponse:
        """A page of a run's reviews, in persona order."""
        request = review_service_pb2.ListPersonaReviewsRequest(
            run_id=run_id, page_size=page_size, page_token=page_token
        )
        return self._connection.call(self._stub.ListPersonaReviews, request)

    def persona_reviews(self, run_id: str) -> Iterator[panel_pb2.PersonaReview]:
        """All reviews of all pages."""
        for page in each_page(lambda token: self.list_persona_reviews(run_id, page_token=token)):
            yield from page.persona_reviews

    def export_runs(self, query: RunQuery | None = None) -> Generator[run_pb2.Run]:
        """All runs, whole, newest first; a stream that is cut goes on after the last run that came."""
        cursor = ExportCursor((query or RunQuery()).message())
        return self._connection.follow(
            cursor, lambda options: self._stub.ExportRuns(cursor.request(), **options), idle_seconds=None
        )

    def delete_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Deletes a run that has ended, so that it can be restored; the deleted run."""
        request = review_service_pb2.DeleteRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return self._connection.call(self._stub.DeleteRun, request).run

    def undelete_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Restores a deleted run; the run as it stands afterwards."""
        key = new_key(idempotency_key)
        request = review_service_pb2.UndeleteRunRequest(run_id=run_id, idempotency_key=key)
        return self._connection.call(self._stub.UndeleteRun, request).run

    def delete_user_data(
        self, user: str, *, idempotency_key: str | None = None
    ) -> review_service_pb2.DeleteUserDataResponse:
        """Deletes a user's runs, drafts and metrics as one deletion; the runs must have ended."""
        key = new_key(idempotency_key)
        request = review_service_pb2.DeleteUserDataRequest(user=user, idempotency_key=key)
        return self._connection.call(self._stub.DeleteUserData, request)

    def undelete_user_data(
        self, deletion_id: str, *, idempotency_key: str | None = None
    ) -> review_service_pb2.UndeleteUserDataResponse:
        """Restores what went with one deletion."""
        key = new_key(idempotency_key)
        request = review_service_pb2.UndeleteUserDataRequest(deletion_id=deletion_id, idempotency_key=key)
        return self._connection.call(self._stub.UndeleteUserData, request)

    def _follow(
        self, cursor: RunCursor, start: review_service_pb2.StreamReviewRequest | None, timeout: float | None
    ) -> Generator[run_event_pb2.RunEvent]:
        def opening(options: CallOptions) -> SyncStream[RunMessage]:
            """The start again until the first event came: its key makes that the same run; then the rest."""
            watch = cursor.watch_request()
            if watch is not None:
                return self._stub.WatchRun(watch, **options)
            assert start is not None, "a cursor without a run has a start"
            return self._stub.StreamReview(start, **options)

        idle_seconds = self._connection.options.idle_seconds
        return self._connection.follow(cursor, opening, idle_seconds=idle_seconds, timeout=timeout)
