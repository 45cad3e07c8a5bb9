"""The one interceptor of every server: it wraps each method's handler once, for all four kinds of call."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import grpc

from consensus_rpc.server.admission import Admission, Gate, TenantPlaces
from consensus_rpc.server.call import Call, Method
from consensus_rpc.server.character_limits import CharacterLimit
from consensus_rpc.server.context import Context
from consensus_rpc.server.guard import Guard, MethodGuard, OpenGuard
from consensus_rpc.server.identified import Identified
from consensus_rpc.server.probes import ProbeStreams, is_probe
from consensus_rpc.server.request_reader import RequestReader
from consensus_rpc.server.requests import FIRST_REQUEST_SECONDS, Requests
from consensus_rpc.server.standing import StandingCalls
from consensus_rpc.server.unread import UnreadAnswers
from consensus_rpc.telemetry.metrics import RpcMetrics
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY

Handler = Any  # grpc.RpcMethodHandler, whose fields its stubs do not show
Behaviour = Callable[[Any, Any], Any]
Serializer = Callable[[Any], bytes]


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Identity, admission, deadline, the contract's rules, errors, metrics, trace and log line of every call.

    Health and reflection are outside admission, and not worth a line.
    """

    def __init__(
        self,
        admission: Admission,
        metrics: RpcMetrics,
        unread: UnreadAnswers,
        *,
        max_message_bytes: int,
        guard: Guard | None = None,
        tenants: TenantPlaces | None = None,
        first_request_seconds: float = FIRST_REQUEST_SECONDS,
        character_limits: Mapping[str, CharacterLimit] = MappingProxyType({}),
        requires_identity: bool = False,
    ) -> None:
        """Shares its admission with the server that drains; may refuse peers whom no certificate names.

        Without a guard everybody may do everything.
        """
        self._requires_identity = requires_identity
        self._guard = guard or OpenGuard()
        self._tenants = tenants or TenantPlaces(0)
        self._standing = StandingCalls(self._guard)
        self._max_message_bytes = max_message_bytes
        self._character_limits = character_limits
        self._first_request_seconds = first_request_seconds
        self._admission = admission
        self._metrics = metrics
        self._unread = unread
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The method's wrapped handler, made at its first call; None (UNIMPLEMENTED) where there is none."""
        handler = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None:
            return None
        known = self._wrapped.get(path)
        if known is None or known[0] is not handler:
            known = self._wrapped[path] = (handler, self._wrap(path, handler))
        return known[1]

    def _wrap(self, path: str, handler: Handler) -> Handler:
        service, _, name = path[1:].rpartition("/")
        probes = ProbeStreams(path, self._metrics.counts) if is_probe(path) else None
        metrics = self._metrics.of_method(service, name, _kind(handler))
        method = Method(service, name, metrics, is_probe=probes is not None)
        reader = RequestReader(
            handler.request_deserializer,
            max_bytes=self._max_message_bytes,
            character_limits=self._character_limits,
        )
        requests = Requests(reader, self._metrics.counts, seconds=self._first_request_seconds)
        guard = self._guard.of(method.path)
        calls = _Calls(
            method,
            self._admission,
            guard,
            self._tenants,
            self._standing,
            probes,
            self._unread,
            requests,
            self._requires_identity,
        )
        return _wrapped_handler(handler, calls)


@dataclass(frozen=True, slots=True)
class _Calls:
    """Makes the calls of one method, and takes their requests."""

    method: Method
    admission: Admission
    guard: MethodGuard
    tenants: TenantPlaces
    standing: StandingCalls
    probes: ProbeStreams | None
    unread: UnreadAnswers
    requests: Requests
    requires_identity: bool

    def begin(self, context: Context) -> Call:
        if self.probes is not None:
            gate: Gate = self.probes.of(context.peer())
        else:
            gate = Identified(self.admission, context) if self.requires_identity else self.admission
        return Call(self.method, gate, self.guard, self.tenants, self.unread, context)

    def still_standing(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Ends what is inside once its caller's credential has: a stream may go on for longer than that."""
        return self.standing.of(call.identity)


def _kind(handler: Handler) -> str:
    if handler.request_streaming:
        return "bidi_stream" if handler.response_streaming else "client_stream"
    return "server_stream" if handler.response_streaming else "unary"


def _wrapped_handler(handler: Handler, calls: _Calls) -> Handler:
    """The handler with its behaviour inside a call.

    Each takes a stream of requests, whatever it was: grpc.aio awaits a single one before any line of ours
    runs, for as long as its caller likes; on the wire both are the same. Requests are parsed and answers are
    serialised here and not by gRPC, so that a failure to do so is an error like any other. A handler that
    writes to the context itself keeps its serializer, and its messages are not counted.
    """
    many_in, many_out = handler.request_streaming, handler.response_streaming
    behaviour = getattr(handler, f"{'stream' if many_in else 'unary'}_{'stream' if many_out else 'unary'}")
    serialize = handler.response_serializer or bytes
    take = _take_many if many_in else _take_one
    if not many_out:
        answer = _answering_one(calls, take, behaviour, serialize)
        return grpc.stream_unary_rpc_method_handler(answer)
    if inspect.isasyncgenfunction(behaviour):
        answer = _answering_many(calls, take, behaviour, serialize)
        return grpc.stream_stream_rpc_method_handler(answer)
    return grpc.stream_stream_rpc_method_handler(
        _answering_itself(calls, take, behaviour), response_serializer=handler.response_serializer
    )


Take = Callable[[Call, Requests, Context], Awaitable[Any]]
"""A call's request or requests, checked: from the call, how they are read, and the context."""


async def _take_one(call: Call, requests: Requests, context: Context) -> Any:
    return await requests.only(call, context)


async def _take_many(call: Call, requests: Requests, context: Context) -> AsyncIterator[Any]:
    return requests.each(call, context)


def _answering_one(calls: _Calls, take: Take, behaviour: Behaviour, serialize: Serializer) -> Behaviour:
    async def answer(_requests: Any, context: Context) -> bytes:
        async with calls.begin(context) as call:
            response = serialize(await behaviour(await take(call, calls.requests, context), context))
            call.sent = 1
            call.unread_bytes = len(response)
            return response
        raise AssertionError("a call that failed was answered")  # __aexit__ raises; for the type checker

    return answer


def _answering_many(calls: _Calls, take: Take, behaviour: Behaviour, serialize: Serializer) -> Behaviour:
    async def answer(_requests: Any, context: Context) -> None:
        async with calls.begin(context) as call, calls.still_standing(call):
            await send_all(call, behaviour(await take(call, calls.requests, context), context), context)

    async def send_all(call: Call, made: Any, context: Context) -> None:
        # Closed here, when the call ends, and not whenever the garbage collector comes by.
        async with aclosing(made) as responses:
            async for response in responses:
                if not call.sent:
                    # Only now: a call that has answered with metadata is never retried by gRPC.
                    await context.send_initial_metadata(((REQUEST_ID_KEY, call.request_id),))
                raw = serialize(response)
                call.unread_bytes = len(raw)
                await calls.unread.write(context, raw)
                call.unread_bytes = 0
                call.sent = (call.sent or 0) + 1

    return answer


def _answering_itself(calls: _Calls, take: Take, behaviour: Behaviour) -> Behaviour:
    async def answer(_requests: Any, context: Context) -> None:
        async with calls.begin(context) as call, calls.still_standing(call):
            call.sent = None
            await behaviour(await take(call, calls.requests, context), context)

    return answer
