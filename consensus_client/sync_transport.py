"""gRPC as the synchronous clients use it: what `async_transport` has, and no timeout between messages."""

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

import grpc

from consensus_rpc.channel.channels import ChannelOptions
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.security.material import read_material
from consensus_rpc.security.tls import channel_credentials

Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)
M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

Channel: TypeAlias = grpc.Channel
Sleep: TypeAlias = Callable[[float], None]

sleep: Sleep = time.sleep


class SyncMethod(Protocol[Request_contra, Response_co]):
    """A method of a stub that answers once."""

    def __call__(
        self, request: Request_contra, *, timeout: float | None, metadata: tuple[tuple[str, str], ...]
    ) -> Response_co:
        """Calls, and waits for the answer."""


class SyncStream(Protocol[M_co]):
    """A call that answers with a stream."""

    def __next__(self) -> M_co:
        """The next message."""

    def cancel(self) -> object:
        """Ends the call."""


def open_channel(target: str, options: ChannelOptions) -> Channel:
    """A channel to `host:port`, or to all addresses of `dns:///host:port` in turn; connects when used.

    Its certificates are read once: a client that outlives them is to be made anew.

    Raises:
        BadMaterial: a file of `tls` cannot be used.
    """
    arguments = options.channel_arguments()
    if options.tls is None:
        return grpc.insecure_channel(target, options=arguments)
    credentials = channel_credentials(read_material(options.tls.files))
    return grpc.secure_channel(target, credentials, options=arguments)


def next_message(call: SyncStream[M], _idle_seconds: float | None) -> M | None:
    """The next message; None at the end. Nothing wakes a call that waits in vain but keepalive.

    Raises:
        ConsensusError: when the call failed.
    """
    with contract_errors():
        return next(call, None)
