"""The requests of a call: the first within a time, and of a unary call no second."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, Protocol

import grpc

from consensus_rpc.errors import CallDeadlineExceeded, InvalidField
from consensus_rpc.server.context import Context
from consensus_rpc.server.deadlines import Deadlines
from consensus_rpc.server.request_reader import RequestReader
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.metrics import Counts

_log = get_logger()

FIRST_REQUEST_SECONDS = 10.0
_LINE_SECONDS = 10.0
_CANCEL_SECONDS = 0.1


class Receiving(Protocol):
    """What counts the requests of a call, and says whether its caller may make them."""

    received: int

    def check(self, request: Any) -> None:
        """Raises PermissionDenied or UserNotAllowed where it may not."""


class Requests:
    """Takes the requests of one method's calls from their contexts.

    `seconds` bound the wait for a call's first request, and for the end of a unary one.
    """

    def __init__(self, reader: RequestReader, counts: Counts, *, seconds: float) -> None:
        self._reader = reader
        self._counts = counts
        self._first = Deadlines(seconds)
        self._next_line = 0.0

    async def only(self, call: Receiving, context: Context) -> Any:
        """The one request of a unary call.

        Raises:
            CallDeadlineExceeded: it did not come in time.
            InvalidField: there is none, or a second one.
            ConsensusError: as `RequestReader.read`, and as `Receiving.check`.
        """
        raw = await self._in_time(_read_only(context))
        call.received = 1
        request = self._reader.read(raw)
        call.check(request)
        return request

    async def each(self, call: Receiving, context: Context) -> AsyncIterator[Any]:
        """The requests of a stream, as they come. gRPC's own iterator holds each until the next has come.

        Raises:
            CallDeadlineExceeded: the first did not come in time.
            ConsensusError: as `RequestReader.read`, and as `Receiving.check`.
        """
        raw = await self._in_time(context.read())
        while raw is not grpc.aio.EOF:
            call.received += 1
            request = self._reader.read(raw)
            del raw
            call.check(request)
            yield request
            del request
            raw = await context.read()

    async def _in_time(self, reading: Any) -> Any:
        try:
            return await self._first.within(reading)
        except TimeoutError:
            self._counts.requests_not_sent.inc()
            if monotonic() >= self._next_line:
                self._next_line = monotonic() + _LINE_SECONDS
                _log.warning("request_not_sent", seconds=self._first.seconds)
            raise CallDeadlineExceeded(f"no request came within {self._first.seconds:g} s") from None


async def _read_only(context: Context) -> bytes:
    raw = await context.read()
    if raw is grpc.aio.EOF:
        # A caller that left reads like one that sent nothing; that it left is told a moment later.
        await asyncio.sleep(_CANCEL_SECONDS)
        raise InvalidField(field="", description="exactly one request; none was sent")
    if await context.read() is not grpc.aio.EOF:
        raise InvalidField(field="", description="exactly one request; more were sent")
    return bytes(raw)
