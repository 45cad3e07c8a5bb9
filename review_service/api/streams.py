"""The two streams of a run to a caller: start and follow, and watch."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from consensus.v1 import review_service_pb2
from consensus_contract.errors import ConsensusError, PersistenceUnavailable
from consensus_rpc.backoff import Backoff, Patience
from consensus_rpc.channel.deadline import hop_timeout
from consensus_rpc.errors import Overloaded
from consensus_rpc.telemetry.log import bind_contextvars, get_logger
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, current_request_id
from review_service.api.caller import caller_of
from review_service.follow.follower import RunFollower
from review_service.follow.sender import EventSender
from review_service.record.failures import is_passing
from review_service.record.gateway import Caller, PersistenceGateway, Scope
from review_service.record.ledger import NewRun
from review_service.runs.worker import Execution, Worker

if TYPE_CHECKING:
    import grpc

ReviewContext: TypeAlias = (
    "grpc.aio.ServicerContext[review_service_pb2.StreamReviewRequest,"
    " review_service_pb2.StreamReviewResponse]"
)
WatchContext: TypeAlias = (
    "grpc.aio.ServicerContext[review_service_pb2.WatchRunRequest, review_service_pb2.WatchRunResponse]"
)

Q = TypeVar("Q")
M = TypeVar("M")

RUN_ID_KEY = "x-run-id"

_log = get_logger()
_BEGIN_SECONDS = 10.0
_CANCELLING = Backoff(first_seconds=0.1, ceiling_seconds=1.0)
_CANCEL_PATIENCE_SECONDS = 10.0


class Streams:
    """Serves events; holds nothing of a run but what its caller has not taken yet."""

    def __init__(
        self,
        gateway: PersistenceGateway,
        worker: Worker,
        follower: RunFollower,
        *,
        slow_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._gateway = gateway
        self._worker = worker
        self._follower = follower
        self._slow_seconds = slow_seconds
        self._heartbeat_seconds = heartbeat_seconds

    async def review(self, run: NewRun, context: ReviewContext, *, cancels_on_disconnect: bool) -> None:
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
            is_over = execution.events.is_complete or not execution.has_begun
            raise
        finally:
            if cancels_on_disconnect and not is_over and not self._worker.has_stopped:
                self._worker.run_errand(self._cancel(execution, run.scope))

    async def _follow_begun(self, execution: Execution, run: NewRun, context: ReviewContext) -> None:
        elsewhere = await asyncio.shield(execution.begun)
        sender = await self._sender(
            context,
            review_service_pb2.StreamReviewResponse,
            run.run_id if elsewhere is None else elsewhere.run_id,
        )
        live = execution.events if elsewhere is None else None
        try:
            await self._follower.follow(Caller(run.scope, context), sender, live=live)
        except Overloaded as error:
            # It would say that nothing was executed, and the run is there.
            raise PersistenceUnavailable from error

    async def watch(self, request: review_service_pb2.WatchRunRequest, context: WatchContext) -> None:
        """Follows any run through the journal.

        Raises:
            ConsensusError: why it cannot be followed, or why it ended without a decision.
        """
        caller = caller_of(context)
        sender = await self._sender(
            context, review_service_pb2.WatchRunResponse, request.run_id, request.after_sequence
        )
        await self._follower.follow(caller, sender, show_deleted=request.show_deleted)

    async def _sender(
        self,
        context: "grpc.aio.ServicerContext[Q, M]",
        make: Callable[..., M],
        run_id: str,
        after_sequence: int = 0,
    ) -> EventSender[M]:
        bind_contextvars(run_id=run_id)
        await context.send_initial_metadata(
            ((REQUEST_ID_KEY, current_request_id() or ""), (RUN_ID_KEY, run_id))
        )
        return EventSender(
            context,
            make,
            run_id,
            slow_seconds=self._slow_seconds,
            heartbeat_seconds=self._heartbeat_seconds,
            after_sequence=after_sequence,
        )

    async def _cancel(self, execution: Execution, scope: Scope) -> None:
        """Cancels a run that its caller left, if it was this call that created it."""
        try:
            if await execution.begun is not None:
                return
        except ConsensusError:
            return
        patience = Patience(_CANCELLING, _CANCEL_PATIENCE_SECONDS)
        wait: float | None = 0.0
        while wait is not None:
            await asyncio.sleep(wait)
            try:
                await self._gateway.cancel_run(Caller(scope, _BEGIN_SECONDS), execution.run_id)
                _log.info("run_cancelled_on_disconnect")
                return
            except ConsensusError as error:
                _log.warning("cancel_on_disconnect_failed", reason=error.reason_name)
                wait = patience.wait_seconds() if is_passing(error) else None
