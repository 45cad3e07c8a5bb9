"""The one interceptor of every server: it wraps each method's handler once, for all four kinds of call."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from consensus_rpc.server.admission import Admission, is_exempt
from consensus_rpc.server.call import Call, Method
from consensus_rpc.server.validation import check_request, tolerant
from consensus_rpc.telemetry.metrics import RpcMetrics
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY

Handler = Any  # grpc.RpcMethodHandler, whose fields its stubs do not show
Behaviour = Callable[[Any, Any], Any]


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Identity, admission, deadline, the contract's rules, errors, metrics, trace and log line of every call.

    Health and reflection pass untouched: probes must be answered at any load, and are not worth a line.
    """

    def __init__(self, admission: Admission, metrics: RpcMetrics, *, max_message_bytes: int) -> None:
        """Shares its admission with the server that drains."""
        self._max_message_bytes = max_message_bytes
        self._admission = admission
        self._metrics = metrics
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The method's wrapped handler, made at its first call; None (UNIMPLEMENTED) where there is none."""
        handler = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or is_exempt(path):
            return handler
        known = self._wrapped.get(path)
        if known is None or known[0] is not handler:
            known = self._wrapped[path] = (handler, self._wrap(path, handler))
        return known[1]

    def _wrap(self, path: str, handler: Handler) -> Handler:
        service, _, name = path[1:].rpartition("/")
        method = Method(service, name, self._metrics.of_method(service, name, _kind(handler)))
        return _wrapped_handler(handler, _Calls(method, self._admission), self._max_message_bytes)


class _Calls:
    __slots__ = ("_admission", "_method")

    def __init__(self, method: Method, admission: Admission) -> None:
        self._method = method
        self._admission = admission

    def begin(self, context: Any) -> Call:
        return Call(self._method, self._admission, context)


def _kind(handler: Handler) -> str:
    if handler.request_streaming:
        return "bidi_stream" if handler.response_streaming else "client_stream"
    return "server_stream" if handler.response_streaming else "unary"


def _wrapped_handler(handler: Handler, calls: _Calls, max_message_bytes: int) -> Handler:
    """The handler with its behaviour inside a call.

    Answers are serialised here and not by gRPC, so that a failure to do so is an error like any other. A
    handler that writes to the context itself keeps its serializer, and its messages are not counted.
    """
    many_in, many_out = handler.request_streaming, handler.response_streaming
    behaviour = getattr(handler, f"{'stream' if many_in else 'unary'}_{'stream' if many_out else 'unary'}")
    serialize = handler.response_serializer or bytes
    take = _take_many if many_in else _take_one
    writes_itself = many_out and not inspect.isasyncgenfunction(behaviour)
    if not many_out:
        wrapped = _answering_one(calls, take, behaviour, serialize)
    elif writes_itself:
        wrapped = _answering_itself(calls, take, behaviour)
    else:
        wrapped = _answering_many(calls, take, behaviour, serialize)
    make = getattr(
        grpc, f"{'stream' if many_in else 'unary'}_{'stream' if many_out else 'unary'}_rpc_method_handler"
    )
    return make(
        wrapped,
        request_deserializer=tolerant(handler.request_deserializer or bytes, max_message_bytes),
        response_serializer=handler.response_serializer if writes_itself else None,
    )


Take = Callable[[Call, Any, Any], Any]
"""A call's request or requests, checked: from the call, what gRPC hands over, and the context."""


def _take_one(call: Call, request: Any, _context: Any) -> Any:
    call.received = 1
    check_request(request)
    return request


async def _take_many(call: Call, _requests: Any, context: Any) -> AsyncIterator[Any]:
    """Reads from the context itself: gRPC's iterator holds each message until the next has come."""
    while (request := await context.read()) is not grpc.aio.EOF:
        call.received += 1
        check_request(request)
        yield request
        del request


def _answering_one(
    calls: _Calls, take: Take, behaviour: Behaviour, serialize: Callable[[Any], bytes]
) -> Behaviour:
    async def answer(request: Any, context: Any) -> bytes:
        async with calls.begin(context) as call:
            response = serialize(await behaviour(take(call, request, context), context))
            call.sent = 1
            return response
        raise AssertionError("a call that failed was answered")  # __aexit__ raises; for the type checker

    return answer


def _answering_many(
    calls: _Calls, take: Take, behaviour: Behaviour, serialize: Callable[[Any], bytes]
) -> Behaviour:
    async def answer(request: Any, context: Any) -> None:
        async with (
            calls.begin(context) as call,
            # Closed here, when the call ends, and not whenever the garbage collector comes by.
            aclosing(behaviour(take(call, request, context), context)) as responses,
        ):
            async for response in responses:
                if not call.sent:
                    # Only now: a call that has answered with metadata is never retried by gRPC.
                    await context.send_initial_metadata(((REQUEST_ID_KEY, call.request_id),))
                await context.write(serialize(response))
                call.sent = (call.sent or 0) + 1

    return answer


def _answering_itself(calls: _Calls, take: Take, behaviour: Behaviour) -> Behaviour:
    async def answer(request: Any, context: Any) -> None:
        async with calls.begin(context) as call:
            call.sent = None
            await behaviour(take(call, request, context), context)

    return answer
