"""A server of four methods, one of each kind, whose handlers do as the test says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry

from consensus.v1 import review_service_pb2
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.server.guard import Guard
from consensus_rpc.server.server import Server, ServerOptions
from consensus_rpc.telemetry.metrics import RpcMetrics

SERVICE = "test.v1.ProbeService"
KINDS = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")

Request = review_service_pb2.GetRunRequest
Response = health_pb2.HealthCheckResponse


async def nothing(request: Any, context: Any) -> None:
    """What a handler does unless the test says otherwise."""


@dataclass
class Probe:
    """The handlers: each runs `act` for every request, then answers."""

    act: Callable[[Any, Any], Awaitable[None]] = nothing
    requests: list[Any] = field(default_factory=list)

    async def _seen(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        await self.act(request, context)

    async def unary_unary(self, request: Any, context: Any) -> Any:
        await self._seen(request, context)
        return Response()

    async def unary_stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self._seen(request, context)
        for _ in range(3):
            yield Response()

    async def stream_unary(self, requests: Any, context: Any) -> Any:
        async for request in requests:
            await self._seen(request, context)
        return Response()

    async def stream_stream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            await self._seen(request, context)
            yield Response()

    def handlers(self) -> grpc.GenericRpcHandler:
        coding: Any = {
            "request_deserializer": Request.FromString,
            "response_serializer": Response.SerializeToString,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "UnaryUnary": grpc.unary_unary_rpc_method_handler(self.unary_unary, **coding),
                "UnaryStream": grpc.unary_stream_rpc_method_handler(self.unary_stream, **coding),
                "StreamUnary": grpc.stream_unary_rpc_method_handler(self.stream_unary, **coding),
                "StreamStream": grpc.stream_stream_rpc_method_handler(self.stream_stream, **coding),
            },
        )


@dataclass
class Running:
    """A probe being served, and a channel to it."""

    probe: Probe
    server: Server
    channel: grpc.aio.Channel
    registry: CollectorRegistry

    async def call(self, kind: str, *requests: Any, **options: Any) -> list[Any]:
        """Sends the requests and returns the answers."""
        answers, _ = await self.call_with_trailers(kind, *requests, **options)
        return answers

    async def call_with_trailers(
        self, kind: str, *requests: Any, **options: Any
    ) -> tuple[list[Any], dict[str, Any]]:
        method = self.method(kind)
        sent = requests or (Request(run_id="r1"),)
        call = method(sent[0] if kind.startswith("Unary") else iter(sent), **options)
        answers = [answer async for answer in call] if kind.endswith("Stream") else [await call]
        return answers, dict(await call.trailing_metadata())

    async def settled(self) -> None:
        """Waits until every call has been reported: its client has the answer a moment earlier."""
        assert await self.server._admission.wait_idle(5)

    def method(self, kind: str, serialize: Callable[[Any], bytes] = Request.SerializeToString) -> Any:
        make = {
            "UnaryUnary": self.channel.unary_unary,
            "UnaryStream": self.channel.unary_stream,
            "StreamUnary": self.channel.stream_unary,
            "StreamStream": self.channel.stream_stream,
        }[kind]
        return make(
            f"/{SERVICE}/{kind}", request_serializer=serialize, response_deserializer=Response.FromString
        )


@asynccontextmanager
async def serving(probe: Probe, *, guard: Guard | None = None, **options: Any) -> AsyncIterator[Running]:
    """Serves a probe on a free port of the loopback, with a metrics registry of its own."""
    registry = CollectorRegistry()
    settings = {"listen": "127.0.0.1:0", "tune_gc": False, **options}
    server = Server(
        ServerOptions(**settings), service_names=[SERVICE], metrics=RpcMetrics(registry), guard=guard
    )
    server.grpc.add_generic_rpc_handlers((probe.handlers(),))
    await server.start()
    async with open_channel(server.address) as channel:
        yield Running(probe, server, channel, registry)
    await server.grpc.stop(None)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A probe, served with the usual options."""
    async with serving(Probe()) as found:
        yield found
