"""How a client behaves, synchronous or not."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path

from consensus_client.credentials import check_way, environment_bearer
from consensus_client.reconnecting import ReconnectPolicy
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import ChannelOptions
from consensus_rpc.security.files import ChannelTls, TlsFiles

DEFAULT_SERVER = "127.0.0.1:50051"
DEFAULT_PERSISTENCE = "127.0.0.1:50052"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Times in seconds; each call is tried again within its time where that is safe.

    `call_seconds` bounds a call that answers once, `expand_seconds` ExpandIdea (it waits for a model, and is
    never sent twice). Streams have no deadline of their own; one that is followed counts as cut when nothing
    comes for `idle_seconds`, not even a heartbeat: take several times the service's
    `ServiceLimits.heartbeat_interval`, which is 15 s unless set otherwise (at most 20), or None to leave it
    to keepalive, as the synchronous clients do.

    Calls go over TLS with `channel.tls`, else with what the environment says (`environment_tls`), else in
    plain text.
    """

    call_seconds: float = 30.0
    expand_seconds: float = 600.0
    idle_seconds: float | None = 60.0
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    channel: ChannelOptions = field(default_factory=ChannelOptions)
    bearer: Bearer | None = None
    """The key or token that calls carry; None: what the environment says (`environment_bearer`)."""

    def bearer_to(self, target: str) -> Bearer | None:
        """The credential for calls to a target.

        Raises:
            CredentialError: it cannot be read, or would leave this machine in plain text.
        """
        bearer = self.bearer or environment_bearer()
        check_way(bearer, target, is_encrypted=self.channel_options().tls is not None)
        return bearer

    def channel_options(self) -> ChannelOptions:
        """Those of `channel`; unless they name reads of their own, gRPC repeats the published ones."""
        channel = replace(self.channel, tls=self.channel.tls or environment_tls())
        if channel.retry_reads or channel.published_config is not None:
            return channel
        return replace(channel, published_config=published_config())


@cache
def published_config() -> str:
    """The service config that stands beside the contract."""
    return (resources.files("consensus.v1") / "service_config.json").read_text("utf-8")


def environment_tls(environment: Mapping[str, str] = os.environ) -> ChannelTls | None:
    """What `CONSENSUS_TLS_CA`, `_CERT`, `_KEY` and `_NAME` say; None where no authority is named.

    The first three are files (PEM); the name is the one that servers' certificates must have, where it is not
    the host that is called.
    """
    authority, certificate, key = (
        Path(value) if (value := environment.get(f"CONSENSUS_TLS_{what}")) else None
        for what in ("CA", "CERT", "KEY")
    )
    if authority is None:
        return None
    files = TlsFiles(certificate=certificate, key=key, authority=authority)
    return ChannelTls(files=files, server_name=environment.get("CONSENSUS_TLS_NAME", ""))
