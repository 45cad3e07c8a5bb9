"""What synchronous calls to ReviewService share: the channel, and trying again on a passing failure."""

import random
import time
from collections.abc import Callable
from typing import Self, TypeVar

import grpc

from consensus.v1.review_service_pb2_grpc import ReviewServiceStub
from consensus_client.following import Patience, with_server
from consensus_client.options import DEFAULT_SERVER, ClientOptions
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options
from consensus_rpc.channel.status import contract_errors

Request = TypeVar("Request")
Response = TypeVar("Response")


class SyncCalls:
    """A connection to one review service."""

    def __init__(
        self,
        target: str = DEFAULT_SERVER,
        options: ClientOptions | None = None,
        *,
        channel: grpc.Channel | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        self.target = target
        self._options = options or ClientOptions()
        self._channel = channel or _open_channel(target, self._options)
        self._stub = ReviewServiceStub(self._channel)
        self._sleep = sleep

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the channel."""
        self.close()

    def close(self) -> None:
        """Ends all calls and closes the channel; runs go on."""
        self._channel.close()

    def _unary(self, method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request) -> Response:
        """Calls, and calls again on a passing failure: reads have no effect, changes have a key."""
        patience = self._patience()
        deadline = time.monotonic() + self._options.call_seconds
        while True:
            try:
                with contract_errors():
                    return method(request, **call_options(deadline - time.monotonic()))
            except ConsensusError as error:
                delay = patience.wait_seconds(with_server(error, self.target))
            self._sleep(delay)

    def _patience(self) -> Patience:
        return Patience(self._options.reconnect, time.monotonic, random.random)


def _open_channel(target: str, options: ClientOptions) -> grpc.Channel:
    return grpc.insecure_channel(target, options=options.channel.channel_arguments())
