"""A ReviewService on loopback that answers from a script: the border of the process for these tests."""
# ruff: noqa: N802 - the names of the contract

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from consensus.v1 import (
    heartbeat_pb2,
    panel_pb2,
    review_service_pb2,
    review_service_pb2_grpc,
    run_event_pb2,
    run_pb2,
)
from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import ShuttingDown
from consensus_rpc.server.server import Server, ServerOptions
from consensus_rpc.telemetry.metrics import RpcMetrics
from tests.unit.consensus_client import samples

SERVICE = "consensus.v1.ReviewService"
Unimplemented: Any = review_service_pb2_grpc.ReviewServiceServicer


@dataclass
class ScriptedService(Unimplemented):  # type: ignore[misc]  # what no test here calls stays unimplemented
    """Streams `events`, then ends with `error` if there is one.

    Each number in `cuts` ends one stream after that many messages with `cut_with`; `hold_after` makes streams
    wait for `go_on` once they have sent the event of that sequence. `errors` are answered to the next calls.
    """

    events: list[run_event_pb2.RunEvent] = field(default_factory=samples.completed_events)
    error: ConsensusError | None = None
    cuts: list[int] = field(default_factory=list)
    cut_with: ConsensusError | None = field(default_factory=ShuttingDown)
    repeats: int = 0
    errors: list[ConsensusError] = field(default_factory=list)
    hold_after: int | None = None
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    run: run_pb2.Run = field(default_factory=samples.completed_run)
    requests: list[Any] = field(default_factory=list)

    async def StreamReview(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._seen(request)
        async for event in self._stream(0):
            yield self._wrap(review_service_pb2.StreamReviewResponse, event)

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._seen(request)
        async for event in self._stream(max(0, request.after_sequence - self.repeats)):
            yield self._wrap(review_service_pb2.WatchRunResponse, event)

    async def _stream(self, after: int) -> AsyncIterator[run_event_pb2.RunEvent | None]:
        cut = self.cuts.pop(0) if self.cuts else None
        yield None
        for count, event in enumerate(self.events[after:]):
            if count == cut:
                if self.cut_with is not None:
                    raise self.cut_with
                return
            yield event
            if event.sequence == self.hold_after:
                self.holding.set()
                await self.go_on.wait()
        if self.error is not None:
            raise self.error

    @staticmethod
    def _wrap(kind: Any, event: run_event_pb2.RunEvent | None) -> Any:
        return kind(heartbeat=heartbeat_pb2.Heartbeat()) if event is None else kind(events=[event])

    async def StartReview(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.StartReviewResponse(run=self.run)

    async def GetRun(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.GetRunResponse(run=self.run)

    async def ListRuns(self, request: Any, context: Any) -> Any:
        self._seen(request)
        first = not request.page_token
        return review_service_pb2.ListRunsResponse(runs=[self.run], next_page_token="page-2" if first else "")

    async def ListAttempts(self, request: Any, context: Any) -> Any:
        self._seen(request)
        index = 1 if request.page_token else 0
        return review_service_pb2.ListAttemptsResponse(
            attempts=samples.attempts()[index : index + 1], next_page_token="" if index else "page-2"
        )

    async def CancelRun(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.CancelRunResponse(run=self.run)

    async def ResumeRun(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.ResumeRunResponse(run=self.run)

    async def ReviseRun(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.ReviseRunResponse(run=self.run)

    async def AnnotateDecision(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.AnnotateDecisionResponse(run=self.run)

    async def ExpandIdea(self, request: Any, context: Any) -> Any:
        self._seen(request)
        return review_service_pb2.ExpandIdeaResponse(expansion_id="e1", proposal=samples.proposal())

    async def ProbeModelRoutes(self, request: Any, context: Any) -> Any:
        self._seen(request)
        probe = review_service_pb2.ModelRouteProbe(
            route="default", requested_model="test-model", reachable=True
        )
        return review_service_pb2.ProbeModelRoutesResponse(probes=[probe])

    async def ListPersonas(self, request: Any, context: Any) -> Any:
        self._seen(request)
        personas = [
            panel_pb2.Persona(persona_id=key, display_name=name, weight=weight, focus="x")
            for key, (name, weight, _) in samples.PERSONAS.items()
        ]
        return review_service_pb2.ListPersonasResponse(personas=personas)

    async def GetServiceInfo(self, request: Any, context: Any) -> Any:
        self._seen(request)
        route = review_service_pb2.ModelRoute(expand_model="test-model", review_model="test-model")
        return review_service_pb2.GetServiceInfoResponse(version="0.0.1", model_route=route)

    def _seen(self, request: Any) -> None:
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)

    def names(self) -> list[str]:
        """The kinds of requests so far."""
        return [type(request).__name__ for request in self.requests]


@asynccontextmanager
async def serving(service: ScriptedService) -> AsyncIterator[str]:
    """Serves it on a free port; the address."""
    options = ServerOptions(listen="127.0.0.1:0", tune_gc=False)
    server = Server(options, service_names=[SERVICE], metrics=RpcMetrics(CollectorRegistry()))
    review_service_pb2_grpc.add_ReviewServiceServicer_to_server(service, server.grpc)
    await server.start()
    await server.set_serving(SERVICE, True)
    try:
        yield server.address
    finally:
        service.go_on.set()
        await server.grpc.stop(None)
