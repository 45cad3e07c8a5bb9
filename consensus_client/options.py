"""How a client behaves, synchronous or not."""

from dataclasses import dataclass, field

from consensus_client.reconnecting import ReconnectPolicy
from consensus_rpc.channel.channels import ChannelOptions

DEFAULT_SERVER = "127.0.0.1:50051"
DEFAULT_PERSISTENCE = "127.0.0.1:50052"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Times in seconds; each call is tried again within its time where that is safe.

    `call_seconds` bounds a call that answers once, `expand_seconds` ExpandIdea (it waits for a model, and is
    never sent twice). Streams have no deadline of their own; one that is followed counts as cut when nothing
    comes for `idle_seconds`, not even a heartbeat (every 15 s). The synchronous clients leave that to
    keepalive.
    """

    call_seconds: float = 30.0
    expand_seconds: float = 600.0
    idle_seconds: float = 60.0
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    channel: ChannelOptions = field(default_factory=ChannelOptions)
