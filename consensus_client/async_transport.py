"""gRPC as the asynchronous clients use it; `sync_transport` has the same for the synchronous ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar

import grpc.aio

from consensus_client.reconnecting import cut
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors

__all__ = ["AsyncMethod", "AsyncStream", "Channel", "Sleep", "next_message", "open_channel", "sleep"]

Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)
M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

Channel: TypeAlias = grpc.aio.Channel
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

sleep: Sleep = asyncio.sleep


class AsyncMethod(Protocol[Request_contra, Response_co]):
    """A method of a stub that answers once."""

    def __call__(
        self, request: Request_contra, *, timeout: float | None, metadata: tuple[tuple[str, str], ...]
    ) -> Awaitable[Response_co]:
        """Begins a call."""


class AsyncStream(Protocol[M_co]):
    """A call that answers with a stream."""

    def __aiter__(self) -> AsyncIterator[M_co]:
        """Goes on where the last message was read."""

    def cancel(self) -> object:
        """Ends the call."""


async def next_message(call: AsyncStream[M], idle_seconds: float | None) -> M | None:
    """The next message; None at the end.

    Raises:
        ConsensusError: when the call failed, or nothing came for `idle_seconds`.
    """
    try:
        with contract_errors():
            async with asyncio.timeout(idle_seconds):
                return await anext(aiter(call), None)
    except TimeoutError:
        raise cut(f"nothing came for {idle_seconds:g} s") from None
