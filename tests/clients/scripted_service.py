"""A review service that refuses and cuts by plan, with errors as the real one sends them."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from consensus.v1 import decision_pb2, review_service_pb2, review_service_pb2_grpc, run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.server.wire_status import to_wire

RUN_ID = "run-1"
Ends = Sequence[grpc.StatusCode | ConsensusError]
Context = Any  # that of grpc.aio, whose types the generated ones do not share


@dataclass
class ScriptedService(review_service_pb2_grpc.ReviewServiceServicer):
    """Each StartReview ends as `starts` says, and those after them well.

    Likewise each WatchRun, after one event; that of the last has the decision.
    """

    starts: Ends = ()
    watches: Ends = ()
    keys: list[str] = field(default_factory=list)
    after_sequences: list[int] = field(default_factory=list)

    async def GetServiceInfo(  # noqa: N802
        self, _: review_service_pb2.GetServiceInfoRequest, __: Context
    ) -> review_service_pb2.GetServiceInfoResponse:
        """Heartbeats come every 20 s, which this service need not keep: nothing waits here."""
        limits = review_service_pb2.ServiceLimits(heartbeat_interval=Duration(seconds=20))
        return review_service_pb2.GetServiceInfoResponse(limits=limits)

    async def StartReview(  # noqa: N802
        self, request: review_service_pb2.StartReviewRequest, context: Context
    ) -> review_service_pb2.StartReviewResponse:
        """The next of `starts`."""
        self.keys.append(request.idempotency_key)
        if len(self.keys) <= len(self.starts):
            await _end(context, self.starts[len(self.keys) - 1])
        return review_service_pb2.StartReviewResponse(run=run_pb2.Run(run_id=RUN_ID))

    async def WatchRun(  # noqa: N802
        self, request: review_service_pb2.WatchRunRequest, context: Context
    ) -> AsyncIterator[review_service_pb2.WatchRunResponse]:
        """One event, and the next of `watches`."""
        self.after_sequences.append(request.after_sequence)
        event = run_event_pb2.RunEvent(run_id=RUN_ID, sequence=request.after_sequence + 1)
        is_last = len(self.after_sequences) > len(self.watches)
        if is_last:
            label = decision_pb2.DECISION_LABEL_REVISE
            event.decision_ready.decision.CopyFrom(decision_pb2.Decision(label=label))
        yield review_service_pb2.WatchRunResponse(events=[event])
        if not is_last:
            await _end(context, self.watches[len(self.after_sequences) - 1])

    @contextlib.asynccontextmanager
    async def serve(self, tls: grpc.ServerCredentials | None = None) -> AsyncIterator[str]:
        """Serves on a free port until the block ends; yields its address."""
        server = grpc.aio.server()
        review_service_pb2_grpc.add_ReviewServiceServicer_to_server(self, server)
        anywhere = "127.0.0.1:0"
        port = server.add_insecure_port(anywhere) if tls is None else server.add_secure_port(anywhere, tls)
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


async def _end(context: Context, how: grpc.StatusCode | ConsensusError) -> None:
    if isinstance(how, ConsensusError):
        wire = to_wire(how, "request-1")
        await context.abort(wire.code, wire.message, wire.trailers)
    await context.abort(how, "as a proxy might end it")
