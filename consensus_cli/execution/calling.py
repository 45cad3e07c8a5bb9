"""Calls that a command makes without the library: over TLS and with the key, as the library's are."""

import grpc

from consensus_client.options import ClientOptions
from consensus_rpc.channel.channels import CallOptions, ChannelOptions, call_options, open_channel


def reach(target: str) -> grpc.aio.Channel:
    """A channel as the environment says."""
    return open_channel(target, ChannelOptions(tls=ClientOptions().channel_options().tls))


def calling(target: str, seconds: float) -> CallOptions:
    """What a call to the target carries.

    Raises:
        CredentialError: the key cannot be read, or would leave this machine in plain text.
    """
    return call_options(seconds, bearer=ClientOptions().bearer_to(target))
