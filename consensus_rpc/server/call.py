"""One call from its first byte to its status: identity, admission, deadline, answer, report."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry import context as trace_context
from opentelemetry import trace

from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.deadline import bind_deadline, require_time_left
from consensus_rpc.channel.wire_status import to_wire
from consensus_rpc.errors import InternalError
from consensus_rpc.server.admission import Admission
from consensus_rpc.telemetry.log import bind_contextvars, get_logger
from consensus_rpc.telemetry.metrics import MethodMetrics
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, accepted_request_id
from consensus_rpc.telemetry.tracing import caller_context, end_server_span, start_server_span

_log = get_logger()

_OUR_FAULT = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
_NUMBERED = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Method:
    """A method's names and counters; the same for all of its calls."""

    service: str
    name: str
    metrics: MethodMetrics

    @property
    def path(self) -> str:
        """`package.Service/Method`."""
        return f"{self.service}/{self.name}"


class Call:
    """An asynchronous context around a handler: enters the call, answers what escapes, reports the end."""

    __slots__ = (
        "_admission",
        "_admitted",
        "_context",
        "_method",
        "_reason",
        "_span",
        "_started",
        "received",
        "request_id",
        "sent",
    )

    def __init__(self, method: Method, admission: Admission, context: Any) -> None:
        """Reads who calls; nothing is refused yet."""
        self._started = perf_counter()
        self._method = method
        self._admission = admission
        self._admitted = False
        self._context = context
        self._reason = ""
        self.received = 0
        self.sent: int | None = 0
        metadata = _text_metadata(context)
        self.request_id = accepted_request_id(metadata.get(REQUEST_ID_KEY))
        self._span = start_server_span(method.service, method.name, caller_context(metadata))

    async def __aenter__(self) -> Self:
        """Binds the call's identity to the task, then admits it or refuses it before any work."""
        self._method.metrics.begin()
        # gRPC runs each call in a task of its own, so what is bound here ends with the call.
        bind_contextvars(request_id=self.request_id)
        if self._span.get_span_context().is_valid:
            trace_context.attach(trace.set_span_in_context(self._span))
        try:
            self._context.set_trailing_metadata(((REQUEST_ID_KEY, self.request_id),))
            self._admission.enter()
            self._admitted = True
            require_time_left(self._context)
            bind_deadline(self._context)
        except ConsensusError as refusal:
            await self.__aexit__(type(refusal), refusal, None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        """Answers with the status of what escaped, and reports the call."""
        code = grpc.StatusCode.OK
        try:
            if error is not None:
                code = await self._answer(_unwrapped(error))
        except grpc.aio.AbortError:
            code = _NUMBERED.get(_number(self._context.code()), grpc.StatusCode.UNKNOWN)
            raise
        finally:
            self._end(code)

    async def _answer(self, error: BaseException) -> grpc.StatusCode:
        """Aborts with the error's status; returns the code of what needs no answer.

        Raises:
            AbortError: gRPC's sign that the status was sent.
        """
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            return self._code_of_cancelling()
        if isinstance(error, grpc.aio.AbortError):  # the handler has answered by itself
            raise error
        if not isinstance(error, Exception):  # KeyboardInterrupt and SystemExit end the process
            return grpc.StatusCode.CANCELLED
        known = self._known(error)
        self._reason = known.reason_name
        if known.run_id is not None:
            bind_contextvars(run_id=known.run_id)
        status = to_wire(known, self.request_id)
        await self._context.abort(status.code, status.message, status.trailers)
        return status.code

    def _known(self, error: Exception) -> ConsensusError:
        # One without a reason is what a hop further on answered, and nobody here has said what it means.
        if isinstance(error, ConsensusError) and error.reason_name:
            return error
        _log.error("rpc_failed_unexpectedly", method=self._method.path, exc_info=error)
        return InternalError()

    def _code_of_cancelling(self) -> grpc.StatusCode:
        left = self._context.time_remaining()
        passed = left is not None and left <= 0
        return grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED

    def _end(self, code: grpc.StatusCode) -> None:
        if self._admitted:
            self._admission.leave()
            self._admitted = False
        seconds = perf_counter() - self._started
        self._method.metrics.end(code, seconds)
        end_server_span(self._span, code, self._reason)
        report = _log.error if code in _OUR_FAULT else _log.info
        report(
            "rpc_finished",
            method=self._method.path,
            code=code.name,
            reason=self._reason,
            duration_ms=round(seconds * 1000, 3),
            peer=self._context.peer(),
            received=self.received,
            sent=self.sent,
        )


def _text_metadata(context: Any) -> Mapping[str, str]:
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _unwrapped(error: BaseException) -> BaseException:
    """The error of the contract inside a task group's, where all that failed are of the contract."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_unwrapped(each) for each in error.exceptions]
        if all(isinstance(each, ConsensusError) for each in inner):
            return inner[0]
    return error


def _number(code: Any) -> int:
    return code.value[0] if isinstance(code, grpc.StatusCode) else int(code)
