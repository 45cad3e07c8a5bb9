"""What asynchronous calls to ReviewService share: the channel, and trying again on a passing failure."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

import grpc
import grpc.aio

from consensus.v1.review_service_pb2_grpc import ReviewServiceStub
from consensus_client.following import Patience, with_server
from consensus_client.options import DEFAULT_SERVER, ClientOptions
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options, open_channel
from consensus_rpc.channel.status import contract_errors

Request = TypeVar("Request")
Response = TypeVar("Response")


class Calls:
    """A connection to one review service."""

    def __init__(
        self,
        target: str = DEFAULT_SERVER,
        options: ClientOptions | None = None,
        *,
        channel: grpc.aio.Channel | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        self.target = target
        self._options = options or ClientOptions()
        self._channel = channel or open_channel(target, self._options.channel)
        self._stub = ReviewServiceStub(self._channel)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the channel."""
        await self.close()

    async def close(self) -> None:
        """Ends all calls and closes the channel; runs go on."""
        await self._channel.close()

    async def _unary(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request
    ) -> Response:
        """Calls, and calls again on a passing failure: reads have no effect, changes have a key."""
        patience = self._patience()
        deadline = time.monotonic() + self._options.call_seconds
        while True:
            try:
                with contract_errors():
                    return await method(request, **call_options(deadline - time.monotonic()))
            except ConsensusError as error:
                delay = patience.wait_seconds(with_server(error, self.target))
            await self._sleep(delay)

    def _patience(self) -> Patience:
        return Patience(self._options.reconnect, time.monotonic, random.random)
