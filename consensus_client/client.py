"""The asynchronous client of ReviewService."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

import grpc
import grpc.aio

from consensus.v1 import attempt_pb2, event_pb2, panel_pb2, review_service_pb2, run_pb2
from consensus_client.deletions import DeletionCalls
from consensus_client.following import (
    STREAM_MESSAGES,
    Cursor,
    StreamMessage,
    cut,
    with_run,
    with_server,
)
from consensus_client.requests import (
    Context,
    ReviewOptions,
    RunQuery,
    extra_context,
    new_key,
    review_input,
    submit_request,
)
from consensus_client.revisions import RevisionCalls
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options
from consensus_rpc.channel.status import contract_errors

Request = TypeVar("Request")
Response = TypeVar("Response")
Call = grpc.aio.UnaryStreamCall[Any, Any]


class ReviewClient(RevisionCalls, DeletionCalls):
    """Starts, follows and asks for runs; raises the errors of the contract (`consensus_rpc.errors`).

    `target` is `host:port` or `dns:///host:port` (all its addresses in turn). Every changing call carries an
    idempotency key, a fresh one where none is given, and is sent again on a passing failure. Use it as
    `async with`, or call `close`.
    """

    def review(
        self,
        idea: str,
        *,
        context: Context | None = None,
        user: str = "",
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
        on_disconnect: review_service_pb2.OnDisconnect.ValueType = review_service_pb2.ON_DISCONNECT_CONTINUE,
        timeout: float | None = None,
    ) -> AsyncGenerator[event_pb2.RunEvent, None]:
        """Starts a run and yields its events, each exactly once, over any number of cut streams.

        `timeout` (seconds) bounds this call, not the run.

        Raises:
            ConsensusError: after the last event of a run that failed or was cancelled; on a refusal; when the
                server stays out of reach (then `run_id` says what to watch, if the run had begun).
        """
        start = review_service_pb2.StreamReviewRequest(
            review=review_input(idea, context, user, options),
            idempotency_key=new_key(idempotency_key),
            on_disconnect=on_disconnect,
        )
        return self._follow(Cursor(), start, timeout)

    def watch_run(
        self, run_id: str, *, after_sequence: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[event_pb2.RunEvent, None]:
        """Yields the events of a run after `after_sequence`, as `review` does."""
        return self._follow(Cursor(run_id, after_sequence), None, timeout)

    async def start_review(
        self,
        idea: str,
        *,
        context: Context | None = None,
        user: str = "",
        options: ReviewOptions | None = None,
        idempotency_key: str | None = None,
    ) -> run_pb2.Run:
        """Starts a run and returns at once, with the run QUEUED."""
        request = review_service_pb2.StartReviewRequest(
            review=review_input(idea, context, user, options), idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._stub.StartReview, request)).run

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
        return (await self._unary(self._stub.SubmitDraft, request)).run

    async def get_run(self, run_id: str, *, show_deleted: bool = False) -> run_pb2.Run:
        """A run, whole; a deleted one only where asked for."""
        request = review_service_pb2.GetRunRequest(run_id=run_id, show_deleted=show_deleted)
        return (await self._unary(self._stub.GetRun, request)).run

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
        return await self._unary(self._stub.ListRuns, request)

    async def runs(
        self, query: RunQuery | None = None, *, page_size: int = 0, show_deleted: bool = False
    ) -> AsyncIterator[run_pb2.Run]:
        """All runs of all pages, newest first."""
        token = ""
        while True:
            page = await self.list_runs(
                query, page_size=page_size, page_token=token, show_deleted=show_deleted
            )
            for run in page.runs:
                yield run
            token = page.next_page_token
            if not token:
                return

    async def list_attempts(
        self, run_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> review_service_pb2.ListAttemptsResponse:
        """A page of the calls to the model of a run, or of an expansion."""
        request = review_service_pb2.ListAttemptsRequest(
            run_id=run_id, page_size=page_size, page_token=page_token
        )
        return await self._unary(self._stub.ListAttempts, request)

    async def attempts(self, run_id: str, *, page_size: int = 0) -> AsyncIterator[attempt_pb2.Attempt]:
        """All calls to the model of all pages."""
        token = ""
        while True:
            page = await self.list_attempts(run_id, page_size=page_size, page_token=token)
            for attempt in page.attempts:
                yield attempt
            token = page.next_page_token
            if not token:
                return

    async def cancel_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Ends a run that has not ended; the run as it stands afterwards."""
        request = review_service_pb2.CancelRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return (await self._unary(self._stub.CancelRun, request)).run

    async def resume_run(self, run_id: str, *, idempotency_key: str | None = None) -> run_pb2.Run:
        """Goes on with a failed run; the run as it stands afterwards."""
        request = review_service_pb2.ResumeRunRequest(run_id=run_id, idempotency_key=new_key(idempotency_key))
        return (await self._unary(self._stub.ResumeRun, request)).run

    async def annotate_decision(
        self, run_id: str, decision_notes: str, *, idempotency_key: str | None = None
    ) -> run_pb2.Run:
        """Notes something about a decision (empty removes the note); the run as it stands afterwards."""
        request = review_service_pb2.AnnotateDecisionRequest(
            run_id=run_id, decision_notes=decision_notes, idempotency_key=new_key(idempotency_key)
        )
        return (await self._unary(self._stub.AnnotateDecision, request)).run

    async def expand_idea(
        self,
        idea: str,
        *,
        context: Context | None = None,
        model: str = "",
        temperature: float | None = None,
    ) -> review_service_pb2.ExpandIdeaResponse:
        """Expands an idea without starting a run. It has no idempotency key, so it is never sent twice."""
        request = review_service_pb2.ExpandIdeaRequest(
            idea=idea, context=extra_context(context), expand_model=model, expand_temperature=temperature
        )
        with contract_errors():
            return await self._stub.ExpandIdea(request, **call_options(self._options.expand_seconds))

    async def list_personas(self) -> list[panel_pb2.Persona]:
        """The panel, in persona order."""
        request = review_service_pb2.ListPersonasRequest()
        return list((await self._unary(self._stub.ListPersonas, request)).personas)

    async def get_service_info(self) -> review_service_pb2.GetServiceInfoResponse:
        """Versions, limits and models in force."""
        return await self._unary(self._stub.GetServiceInfo, review_service_pb2.GetServiceInfoRequest())

    async def _follow(
        self,
        cursor: Cursor,
        start: review_service_pb2.StreamReviewRequest | None,
        timeout: float | None,
    ) -> AsyncGenerator[event_pb2.RunEvent, None]:
        patience = self._patience()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                call = self._open(cursor, start, deadline)
                try:
                    while (message := await self._read(call)) is not None:
                        event = cursor.take(message)
                        if event is None:
                            patience.still_alive()
                            continue
                        patience.progressed()
                        yield event
                    cursor.check_end()
                    return
                finally:
                    call.cancel()
            except ConsensusError as error:
                named = with_server(with_run(error, cursor.run_id), self.target)
                delay = patience.wait_seconds(named)
            await self._sleep(delay)

    def _open(
        self,
        cursor: Cursor,
        start: review_service_pb2.StreamReviewRequest | None,
        deadline: float | None,
    ) -> Call:
        """The start again until the first event came: its key makes that the same run; then the rest."""
        options = call_options(None if deadline is None else deadline - time.monotonic())
        watch = cursor.watch_request()
        if watch is not None:
            return self._stub.WatchRun(watch, **options)
        assert start is not None, "a cursor without a run has a start"
        return self._stub.StreamReview(start, **options)

    async def _read(self, call: Call) -> StreamMessage | None:
        """The next message; None at the end.

        Raises:
            ConsensusError: when the call failed, or nothing came for too long.
        """
        try:
            with contract_errors():
                async with asyncio.timeout(self._options.idle_seconds):
                    message: StreamMessage | object = await call.read()
        except TimeoutError:
            raise cut(f"nothing came for {self._options.idle_seconds:g} s") from None
        if message is grpc.aio.EOF:
            return None
        assert isinstance(message, STREAM_MESSAGES)
        return message
