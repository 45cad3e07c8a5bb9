"""What a server writes to a caller who may stop reading."""

import asyncio
from typing import Generic, Protocol, TypeVar

from consensus_rpc.errors import SlowConsumer
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, current_request_id

_log = get_logger()

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class StreamWriter(Protocol[M_contra]):
    """The part of a servicer's context that streams need."""

    async def send_initial_metadata(self, initial_metadata: tuple[tuple[str, str], ...]) -> None:
        """Sends the answer's headers, before any message."""

    async def write(self, message: M_contra) -> None:
        """Returns once the transport has taken the message."""


class Outgoing(Generic[M]):
    """One caller's stream: each message waits for the caller, and none for longer than `slow_seconds`.

    For handlers that write to their context, and know what the caller had; those that yield their messages
    have the same bound from the interceptor. Both are let go by it: see `UnreadAnswers`.
    """

    __slots__ = ("_about", "_context", "_slow_seconds")

    def __init__(self, context: StreamWriter[M], *, slow_seconds: float, **about: str) -> None:
        """`about` names what is streamed, as the error tells it: `run_id=…` or `draft_id=…`."""
        self._context = context
        self._slow_seconds = slow_seconds
        self._about = about

    async def begin(self) -> None:
        """Says that the call is taken up, before there is anything to send: a quiet stream shows it so."""
        await self._context.send_initial_metadata(((REQUEST_ID_KEY, current_request_id() or ""),))

    async def send(self, message: M, *, last_sequence: int | None = None) -> None:
        """Returns once the transport has taken the message; `last_sequence`: what the caller had before it.

        Raises:
            SlowConsumer: the caller took nothing for too long.
        """
        try:
            async with asyncio.timeout(self._slow_seconds):
                await self._context.write(message)
        except TimeoutError as error:
            # Said here: the status stays behind the message that the caller does not take.
            _log.warning("slow_consumer", last_sequence=last_sequence, **self._about)
            raise SlowConsumer(last_sequence=last_sequence, **self._about) from error
