"""The two streams of a run to a caller: start and follow, and watch."""

import asyncio
from typing import Any

from consensus.v1 import persistence_service_pb2, review_service_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options, hop_timeout
from consensus_rpc.telemetry.log import bind_contextvars, get_logger
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, current_request_id
from review_service.follow.endings import error_of_event
from review_service.follow.journal import JournalFollower, follow_feed
from review_service.follow.sender import EventSender
from review_service.record.ledger import NewRun
from review_service.record.persistence import Stub, is_passing, persistence_errors
from review_service.runs.worker import Execution, Worker

Scope = persistence_service_pb2.CallScope

RUN_ID_KEY = "x-run-id"

_log = get_logger()
_BEGIN_SECONDS = 10.0
_CANCEL_TRIES = 5


class Streams:
    """Serves events; holds nothing of a run but what its caller has not taken yet."""

    def __init__(
        self,
        stub: Stub,
        worker: Worker,
        journal: JournalFollower,
        *,
        heartbeat_seconds: float,
        slow_consumer_seconds: float,
    ) -> None:
        """Shares the process's worker."""
        self._stub = stub
        self._worker = worker
        self._journal = journal
        self._heartbeat_seconds = heartbeat_seconds
        self._slow_seconds = slow_consumer_seconds

    async def review(self, run: NewRun, context: Any, *, cancels_on_disconnect: bool) -> None:
        """Begins a run and follows it to its end; the run goes on without the caller.

        Raises:
            ConsensusError: why it was not begun, or why it ended without a decision.
        """
        execution = self._worker.begin(
            run, answer_within=hop_timeout(context, ceiling_seconds=_BEGIN_SECONDS)
        )
        is_over = False
        try:
            await self._follow_begun(execution, run, context)
            is_over = True
        except ConsensusError:
            is_over = execution.feed.is_complete or not execution.has_begun
            raise
        finally:
            if cancels_on_disconnect and not is_over and not self._worker.has_stopped:
                self._worker.run_errand(self._cancel(execution, run.scope))

    async def _follow_begun(self, execution: Execution, run: NewRun, context: Any) -> None:
        elsewhere = await asyncio.shield(execution.begun)
        sender = await self._sender(
            context, review_service_pb2.StreamReviewResponse, elsewhere.run_id if elsewhere else run.run_id
        )
        if elsewhere is None:
            await follow_feed(execution.feed, sender, self._heartbeat_seconds)
            if sender.ending is not None:
                _raise_if(error_of_event(sender.ending))
                return
        await self._journal.follow(run.scope, sender, context, is_patient=elsewhere is None)
        await self._journal.raise_ending(run.scope, sender, context)

    async def watch(self, scope: Scope, request: review_service_pb2.WatchRunRequest, context: Any) -> None:
        """Follows any run through the journal.

        Raises:
            ConsensusError: why it cannot be followed, or why it ended without a decision.
        """
        sender = await self._sender(
            context, review_service_pb2.WatchRunResponse, request.run_id, request.after_sequence
        )
        shown = request.show_deleted
        await self._journal.follow(scope, sender, context, show_deleted=shown)
        await self._journal.raise_ending(scope, sender, context, show_deleted=shown)

    async def _sender(
        self, context: Any, make: Any, run_id: str, after_sequence: int = 0
    ) -> EventSender[Any]:
        bind_contextvars(run_id=run_id)
        await context.send_initial_metadata(
            ((REQUEST_ID_KEY, current_request_id() or ""), (RUN_ID_KEY, run_id))
        )
        return EventSender(
            context, make, run_id, slow_seconds=self._slow_seconds, after_sequence=after_sequence
        )

    async def _cancel(self, execution: Execution, scope: Scope) -> None:
        """Cancels a run that its caller left, if it was this call that created it."""
        try:
            if await execution.begun is not None:
                return
        except ConsensusError:
            return
        request = persistence_service_pb2.PersistenceServiceCancelRunRequest(
            scope=scope, run_id=execution.run_id
        )
        for attempt in range(_CANCEL_TRIES):
            try:
                with persistence_errors():
                    await self._stub.CancelRun(request, **call_options(_BEGIN_SECONDS))
                _log.info("run_cancelled_on_disconnect")
                return
            except ConsensusError as error:
                _log.warning("cancel_on_disconnect_failed", reason=error.reason_name)
                if not is_passing(error):
                    return
            await asyncio.sleep(0.1 * 2**attempt)


def _raise_if(error: ConsensusError | None) -> None:
    if error is not None:
        raise error
