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

from consensus_contract.errors import ConsensusError, InternalError
from consensus_rpc.channel.deadline import bind_deadline, require_time_left, seconds_left
from consensus_rpc.errors import SlowConsumer, UserNotAllowed
from consensus_rpc.server.admission import Gate, TenantPlaces
from consensus_rpc.server.context import Context
from consensus_rpc.server.guard import MethodGuard
from consensus_rpc.server.identity import EVERYONE, Identity, bind_identity
from consensus_rpc.server.quietly import found_nothing
from consensus_rpc.server.unread import UnreadAnswers
from consensus_rpc.server.wire_status import to_wire
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import bind_contextvars, bind_request_id, get_logger
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
    is_probe: bool = False
    """Whether it is not worth a line and a span: health and reflection."""

    @property
    def path(self) -> str:
        """`package.Service/Method`."""
        return f"{self.service}/{self.name}"


class Call:
    """An asynchronous context around a handler: enters the call, answers what escapes, reports the end."""

    __slots__ = (
        "_admitted",
        "_code",
        "_context",
        "_gate",
        "_guard",
        "_has_tenant_place",
        "_is_checked",
        "_method",
        "_peer",
        "_reason",
        "_span",
        "_started",
        "_tenants",
        "_unread",
        "identity",
        "received",
        "request_id",
        "sent",
        "unread_bytes",
    )

    def __init__(
        self,
        method: Method,
        gate: Gate,
        guard: MethodGuard,
        tenants: TenantPlaces,
        unread: UnreadAnswers,
        context: Context,
    ) -> None:
        """Reads what the call says of itself; nothing is refused yet."""
        self._started = perf_counter()
        self._method = method
        self._gate = gate
        self._guard = guard
        self._tenants = tenants
        self._has_tenant_place = False
        self.identity: Identity = EVERYONE
        self._unread = unread
        self._admitted = False
        self._context = context
        # Not asked for at the end: once the collector has come by, gRPC's context answers with a crash.
        self._peer = context.peer()
        self._code = grpc.StatusCode.OK
        self._reason = ""
        self._is_checked = False
        self.received = 0
        self.sent: int | None = 0
        self.unread_bytes = 0
        metadata = _text_metadata(context)
        self.request_id = accepted_request_id(metadata.get(REQUEST_ID_KEY))
        self._span = (
            trace.INVALID_SPAN
            if method.is_probe
            else start_server_span(method.service, method.name, caller_context(metadata))
        )

    async def __aenter__(self) -> Self:
        """Binds the call's ids to the task, then admits it or refuses it before any work."""
        self._method.metrics.begin()
        # gRPC runs each call in a task of its own, so what is bound here ends with the call.
        bind_request_id(self.request_id)
        if self._span.get_span_context().is_valid:
            trace_context.attach(trace.set_span_in_context(self._span))
        try:
            self._context.set_trailing_metadata(((REQUEST_ID_KEY, self.request_id),))
            self._gate.enter()
            self._admitted = True
            require_time_left(self._context)
            bind_deadline(self._context)
            await self._find_caller()
        except BaseException as refusal:
            await self.__aexit__(type(refusal), refusal, None)
            raise
        return self

    async def _find_caller(self) -> None:
        """Binds who calls to the task, or refuses the call; none of its request's bytes were looked at."""
        self.identity = await self._guard.enter(self._context)
        bind_identity(self.identity)
        if self.identity is not EVERYONE:
            bind_contextvars(tenant=self.identity.tenant, caller=self.identity.caller)
        if not self._method.is_probe:
            self._has_tenant_place = self._tenants.enter(self.identity)

    def check(self, request: Any) -> None:
        """Raises PermissionDenied or UserNotAllowed where a request names whom its caller may not act for."""
        self._is_checked = False
        self._guard.check(self.identity, request)
        self._is_checked = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        """Answers with the status of what escaped, and reports the call."""
        del trace_back  # it would outlive the call with this frame
        try:
            if error is not None:
                await self._answer(error)
            self._wait_for_reader()
        except grpc.aio.AbortError:
            self._code = _NUMBERED.get(_number(self._context.code()), grpc.StatusCode.UNKNOWN)
            raise
        finally:
            self._end()

    async def _answer(self, error: BaseException) -> None:
        """Aborts with the error's status, if it needs one.

        Raises:
            AbortError: gRPC's sign that the status was sent.
        """
        if isinstance(error, GeneratorExit):  # nobody waits for the handler: what it has of gRPC may be gone
            self._code = grpc.StatusCode.CANCELLED
            return
        escaped, error = error, _unwrapped(error)
        if isinstance(error, asyncio.CancelledError) or _is_end_of_server(error):
            self._code = self._code_of_cancelling()
            return
        if isinstance(error, grpc.aio.AbortError):  # the handler has answered by itself
            raise error
        if not isinstance(error, Exception):  # KeyboardInterrupt and SystemExit end the process
            self._code = grpc.StatusCode.CANCELLED
            return
        known = self._known(error)
        _forget_where(escaped)
        self._reason = known.reason_name
        self._method.metrics.metrics.refusals.count(known, self.identity.tenant)
        if self._is_checked and isinstance(known, UserNotAllowed):
            self._guard.refused(self.identity, known)
        if known.run_id is not None:
            bind_contextvars(run_id=known.run_id)
        status = to_wire(known, self.request_id)
        self._code = status.code
        is_stalled = isinstance(known, SlowConsumer)
        if is_stalled:  # the status stands behind what is not taken: the place is for others
            self._leave()
        self._wait_for_reader(is_last_word=is_stalled)
        try:
            await self._context.abort(status.code, status.message, status.trailers)
        except grpc.aio.InternalError:
            if is_stalled:  # on its first message, which carries the headers: gRPC sends no status beside it
                self._unread.reset_now()
            raise

    def _wait_for_reader(self, *, is_last_word: bool = False) -> None:
        """The status is still to be taken, and what stands before it."""
        self._unread.add(self._method.path, self.request_id, self.unread_bytes, is_last_word=is_last_word)

    def _known(self, error: Exception) -> ConsensusError:
        # One without a reason is what a hop further on answered, and nobody here has said what it means.
        if isinstance(error, ConsensusError) and error.reason_name:
            return error
        _log.error("rpc_failed_unexpectedly", method=self._method.path, trace=fault_trace(error))
        return InternalError()

    def _code_of_cancelling(self) -> grpc.StatusCode:
        left = seconds_left(self._context)
        passed = left is not None and left <= 0
        return grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED

    def _leave(self) -> None:
        if self._has_tenant_place:
            self._tenants.leave(self.identity)
            self._has_tenant_place = False
        if self._admitted:
            self._gate.leave()
            self._admitted = False

    def _end(self) -> None:
        self._leave()
        code, seconds = self._code, perf_counter() - self._started
        self._method.metrics.end(code, seconds)
        end_server_span(self._span, code, self._reason)
        if self._method.is_probe:
            return
        is_dull = code is grpc.StatusCode.OK and found_nothing()
        report = _log.error if code in _OUR_FAULT else _log.debug if is_dull else _log.info
        report(
            "rpc_finished",
            method=self._method.path,
            code=code.name,
            reason=self._reason,
            duration_ms=round(seconds * 1000, 3),
            peer=self._peer,
            received=self.received,
            sent=self.sent,
        )


def _text_metadata(context: Context) -> Mapping[str, str]:
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _unwrapped(error: BaseException) -> BaseException:
    """The error of the contract inside a task group's, where all that failed are of the contract."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_unwrapped(each) for each in error.exceptions]
        if all(isinstance(each, ConsensusError) for each in inner):
            return inner[0]
    return error


def _forget_where(escaped: BaseException) -> None:
    """Lets go of the frames that an error has passed, and those that led to it.

    gRPC keeps the error that ends a call in a circle with the call: what they hold, the request above all,
    would stay until the collector comes by, which on a server is seldom. They are not emptied, since the same
    error may end many calls at once: others among them are still on their way out.
    """
    known: dict[int, BaseException] = {}
    left = [escaped]
    while left:
        error = left.pop()
        if id(error) in known:
            continue
        known[id(error)] = error
        error.__traceback__ = None
        left += (each for each in (error.__cause__, error.__context__) if each is not None)
        if isinstance(error, BaseExceptionGroup):
            left += error.exceptions


def _is_end_of_server(error: BaseException) -> bool:
    """Whether gRPC says that the server has stopped: nobody is left to be answered."""
    return isinstance(error, grpc.aio.BaseError) and type(error).__name__ == "_ServerStoppedError"


def _number(code: Any) -> int:
    return code.value[0] if isinstance(code, grpc.StatusCode) else int(code)
