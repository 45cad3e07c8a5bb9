"""A run's events as server-sent events: `id` is the sequence, so that `Last-Event-ID` goes on behind it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from consensus.v1 import run_event_pb2
from consensus_client.cursors import RunCursor
from consensus_client.reconnecting import is_cut
from consensus_contract.errors import ConsensusError
from consensus_door.event_streams import event_stream
from consensus_door.plain.answering import as_json
from consensus_door.plain.requests import after_sequence
from consensus_door.problems import told_of
from consensus_door.rpc.packed import turned
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services

_RETRY = b"retry: 1000\n\n"
_HEARTBEAT = b": heartbeat\n\n"
# A stream that has something to say, or nothing, does so at once. One that waits for the next event begins
# after this time, so that its reader knows that it is there.
_FIRST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Events:
    """Follows runs in the caller's name."""

    services: Services

    async def of_run(self, request: Request) -> Response:
        """The events behind the last one that the caller has; 204 where there are and will be none: after
        that an EventSource does not ask again.

        Raises:
            ConsensusError: the run cannot be followed.
        """
        credential = Credential.of(request.headers)
        cursor = RunCursor(
            request.path_params["run_id"], after_sequence(request.headers, request.query_params)
        )
        watch = cursor.watch_request()
        assert watch is not None
        messages = self.services.follow(watch, credential)
        first: asyncio.Future[Any] = asyncio.ensure_future(anext(messages, None))
        try:
            await asyncio.wait({first}, timeout=_FIRST_SECONDS)
            if first.done() and _has_nothing(first):
                return Response(None, 204)
            if request.method == "HEAD":
                await _end(first)
                await messages.aclose()
        except BaseException:
            await _end(first)
            raise
        return await event_stream(request, _frames(first, messages, cursor))


def _has_nothing(first: "asyncio.Future[Any]") -> bool:
    """Whether a stream ended before its first message, and its run before it.

    Raises:
        ConsensusError: it failed before.
    """
    error = first.exception()
    if isinstance(error, ConsensusError) and error.run_state is not None:
        return True
    return first.result() is None


async def _frames(
    first: "asyncio.Future[Any]", messages: AsyncGenerator[Any], cursor: RunCursor
) -> AsyncGenerator[bytes]:
    """Frames to the end of the run, of the stream, or of the door: whoever asks again goes on behind them."""
    async with aclosing(messages):
        try:
            yield _RETRY
            message = await first
            while message is not None:
                if not message.events:
                    yield _HEARTBEAT
                for event in cursor.take(message):
                    yield await turned(event.ByteSize(), frame_of, event)
                message = await anext(messages, None)
            yield _frame("end", {"run_id": cursor.run_id, "state": "COMPLETED"})
        except ConsensusError as error:
            if error.run_state is not None:
                yield _frame("end", {"run_id": cursor.run_id, "state": error.run_state, **told_of(error)})
            elif not is_cut(error):
                yield _frame("problem", told_of(error))
        finally:
            await _end(first)


async def _end(first: "asyncio.Future[Any]") -> None:
    """Ends what waits for the first message: a generator that runs cannot be closed."""
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


def frame_of(event: run_event_pb2.RunEvent) -> bytes:
    """One event of a run."""
    kind = event.WhichOneof("payload") or "unknown"
    return f"id: {event.sequence}\nevent: {kind}\ndata: {as_json(event)}\n\n".encode()


def _frame(name: str, told: dict[str, Any]) -> bytes:
    """One without an id: nothing of the run, so that the last id stays."""
    return f"event: {name}\ndata: {orjson.dumps(told).decode()}\n\n".encode()
