"""Channels to other services, and what every call on them carries."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import grpc

from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.deadline import TimeLeft, hop_timeout
from consensus_rpc.channel.renewing import RenewingChannel
from consensus_rpc.channel.spread import SpreadChannel
from consensus_rpc.security.files import ChannelTls
from consensus_rpc.security.material import Material
from consensus_rpc.security.tls import channel_credentials
from consensus_rpc.security.watched import CertificateLogger, CertificateObserver, WatchedFiles
from consensus_rpc.telemetry.request_id import REQUEST_ID_KEY, current_request_id, new_request_id
from consensus_rpc.telemetry.tracing import trace_metadata

__all__ = ["CallOptions", "ChannelOptions", "ChannelTls", "call_metadata", "call_options", "open_channel"]

_LEAST_MS_BETWEEN_RESOLUTIONS = 500
_RETRY_POLICY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """How a channel behaves; times in seconds.

    A peer that vanished without a word is noticed after `keepalive_seconds` without traffic and
    `ping_timeout_seconds` without an answer, whether calls are under way or not; its streams end then.

    With more than one connection calls use them in turn, so that they reach several processes that share a
    port: the kernel spreads connections over these, and never calls.

    `retry_reads` maps a service's full name to its unary methods without effects. Only those are sent again
    by gRPC on UNAVAILABLE: whether a change took effect is not known then. `published_config`, the JSON that
    a service publishes beside its contract, takes the place of both.

    Without `tls` all goes in plain text. `certificates` is told what becomes of its files.
    """

    retry_reads: Mapping[str, Sequence[str]] = field(default_factory=dict)
    published_config: str | None = None
    max_message_bytes: int = 4 * 1024 * 1024
    max_reconnect_backoff_seconds: float = 2.0
    connections: int = 1
    keepalive_seconds: float = 20.0
    ping_timeout_seconds: float = 5.0
    tls: ChannelTls | None = None
    certificates: CertificateObserver = field(default_factory=CertificateLogger)

    def service_config(self) -> str:
        """`round_robin` over all addresses of the name, and the retry policy of the reads, as JSON."""
        if self.published_config is not None:
            return self.published_config
        names = [
            {"service": service, "method": name}
            for service, all_ in self.retry_reads.items()
            for name in all_
        ]
        methods = [{"name": names, "retryPolicy": _RETRY_POLICY}] if names else []
        return json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods})

    def channel_arguments(self) -> list[tuple[str, str | int]]:
        """gRPC's own names; a misspelt one is silently ignored."""
        ping_timeout_ms = round(self.ping_timeout_seconds * 1000)
        return [
            ("grpc.service_config", self.service_config()),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.keepalive_time_ms", round(self.keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", ping_timeout_ms),
            # Without it a stopped peer is noticed after a minute, whatever keepalive says.
            ("grpc.http2.ping_timeout_ms", ping_timeout_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # In spite of its name: how long one attempt to connect may take, at least.
            ("grpc.min_reconnect_backoff_ms", 3_000),
            ("grpc.max_reconnect_backoff_ms", round(self.max_reconnect_backoff_seconds * 1000)),
            # Else a name that leads elsewhere since its connection failed is not asked for half a minute.
            ("grpc.dns_min_time_between_resolutions_ms", _LEAST_MS_BETWEEN_RESOLUTIONS),
            # The services speak to their neighbours, never through a proxy of the environment.
            ("grpc.enable_http_proxy", 0),
            ("grpc.http2.bdp_probe", 0),
            # Else channels of one process to one address share a connection, and what became of its attempts.
            ("grpc.use_local_subchannel_pool", 1),
            *(self.tls.channel_arguments() if self.tls else ()),
        ]


def open_channel(target: str, options: ChannelOptions | None = None) -> grpc.aio.Channel:
    """A channel to `host:port`, or to all addresses of `dns:///host:port` in turn; connects when used.

    Raises:
        BadMaterial: a file of `tls` cannot be used.
    """
    options = options or ChannelOptions()
    open_one = _opening(target, options)
    channels = [open_one() for _ in range(options.connections)]
    return channels[0] if len(channels) == 1 else SpreadChannel(channels)


def _opening(target: str, options: ChannelOptions) -> Callable[[], grpc.aio.Channel]:
    arguments = options.channel_arguments()
    if options.tls is None:
        return lambda: grpc.aio.insecure_channel(target, options=arguments)
    watched = WatchedFiles(f"channel to {target}", options.tls.files, options.certificates)

    def secure(material: Material) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(target, channel_credentials(material), options=arguments)

    return lambda: RenewingChannel(watched.current, secure)


class CallOptions(TypedDict):
    """Keyword arguments of a stub's method."""

    timeout: float | None
    metadata: tuple[tuple[str, str], ...]


def call_options(
    left: TimeLeft = None, *, ceiling_seconds: float | None = None, bearer: Bearer | None = None
) -> CallOptions:
    """What a call to the next hop carries: `await stub.GetRun(request, **call_options(context))`.

    The timeout is what remains of `left` (a servicer's context, or seconds) less a margin; the request id is
    the one that this task works for, else a fresh one; the trace goes on.

    Raises:
        CallDeadlineExceeded: with less than 100 ms left.
    """
    return {"timeout": hop_timeout(left, ceiling_seconds=ceiling_seconds), "metadata": call_metadata(bearer)}


def call_metadata(bearer: Bearer | None = None) -> tuple[tuple[str, str], ...]:
    """The request id, the trace context and the credential for an outgoing call."""
    own = current_request_id() or new_request_id()
    return ((REQUEST_ID_KEY, own), *trace_metadata(), *(bearer.metadata if bearer else ()))
