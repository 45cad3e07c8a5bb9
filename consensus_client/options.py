"""How a client behaves, synchronous or not."""

from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources

from consensus_client.reconnecting import ReconnectPolicy
from consensus_rpc.channel.channels import ChannelOptions

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
    """

    call_seconds: float = 30.0
    expand_seconds: float = 600.0
    idle_seconds: float | None = 60.0
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    channel: ChannelOptions = field(default_factory=ChannelOptions)

    def channel_options(self) -> ChannelOptions:
        """Those of `channel`; unless they name reads of their own, gRPC repeats the published ones."""
        if self.channel.retry_reads or self.channel.published_config is not None:
            return self.channel
        return replace(self.channel, published_config=published_config())


@cache
def published_config() -> str:
    """The service config that stands beside the contract."""
    return (resources.files("consensus.v1") / "service_config.json").read_text("utf-8")
