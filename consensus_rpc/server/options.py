"""How a server listens: every gRPC option that is set on purpose, spelt once."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self

from consensus_rpc.process.place import Place, nth_address
from consensus_rpc.process.settings import ServerSettings
from consensus_rpc.security.files import ServerTls
from consensus_rpc.server.character_limits import CharacterLimit
from consensus_rpc.server.requests import FIRST_REQUEST_SECONDS

MAX_MESSAGE_BYTES = 4 * 1024 * 1024

# Calls that wait to be taken up: above the admission limit, which refuses with details.
_PENDING_BEYOND_ADMISSION = 1000
# All that a call's headers may hold, its request id and trace context included.
_METADATA_BYTES = 16 * 1024
_KEEPALIVE_MS = 20_000
_PING_TIMEOUT_MS = 5_000
_LEAST_CLIENT_PING_MS = 5_000
_SETTINGS_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What a server is built from; times in seconds."""

    listen: str
    tls: ServerTls | None = None
    """That of the first address; plain text without."""
    port_file: Path | None = None
    metrics_listen: str | None = None
    metrics_tenants: int = 0
    """Tenants that metrics tell apart; 0: none."""
    reflection: bool = True
    max_calls_in_flight: int = 10_000
    max_calls_in_flight_per_tenant: int = 0
    """0: no other limit than that of all."""
    drain_grace_seconds: float = 20.0
    max_connection_age_seconds: float = 1800.0
    max_connection_age_grace_seconds: float = 660.0
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_streams_per_connection: int = 1024
    first_request_seconds: float = FIRST_REQUEST_SECONDS
    slow_consumer_seconds: float = 30.0
    max_unread_bytes: int = 64 * 1024 * 1024
    tune_gc: bool = True
    character_limits: Mapping[str, CharacterLimit] = field(default_factory=dict)
    """Limits in force that are lower than the contract's, by the field's path: a refusal names them."""
    place: Place | None = None

    @classmethod
    def from_settings(
        cls,
        settings: ServerSettings,
        *,
        listen: str,
        tls: ServerTls | None = None,
        port_file: Path | None = None,
        place: Place | None = None,
        character_limits: Mapping[str, CharacterLimit] = MappingProxyType({}),
    ) -> Self:
        """The options that the settings say.

        A worker shares its supervisor's ports, leaves the port file to it, and has a metrics port of its own:
        METRICS_LISTEN's and its number.
        """
        metrics = settings.metrics_listen
        return cls(
            listen=place.listens[0] if place else listen,
            tls=tls,
            port_file=None if place else port_file,
            metrics_listen=nth_address(metrics, place.index) if metrics and place else metrics,
            metrics_tenants=settings.metrics_tenants,
            place=place,
            reflection=settings.reflection,
            max_calls_in_flight=settings.max_calls_in_flight,
            max_calls_in_flight_per_tenant=settings.max_calls_in_flight_per_tenant,
            drain_grace_seconds=settings.drain_grace_seconds,
            max_connection_age_seconds=settings.max_connection_age_seconds,
            max_connection_age_grace_seconds=settings.max_connection_age_grace_seconds,
            max_streams_per_connection=settings.max_streams_per_connection,
            slow_consumer_seconds=settings.slow_consumer_seconds,
            character_limits=character_limits,
        )

    def channel_arguments(self) -> list[tuple[str, int]]:
        """gRPC's own names; a misspelt one is silently ignored, so a test reads them back."""
        pending = self.max_calls_in_flight + _PENDING_BEYOND_ADMISSION
        return [
            ("grpc.so_reuseport", int(self.place is not None)),
            # Up to twice the limit the server refuses with details, beyond it gRPC without.
            ("grpc.max_receive_message_length", 2 * self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
            # Without it a stopped peer is noticed after a minute, whatever keepalive says.
            ("grpc.http2.ping_timeout_ms", _PING_TIMEOUT_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", _LEAST_CLIENT_PING_MS),
            ("grpc.max_connection_age_ms", round(self.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", round(self.max_connection_age_grace_seconds * 1000)),
            # Raised together: below them a burst of new calls is cancelled instead of answered.
            ("grpc.server.max_pending_requests", pending),
            ("grpc.server.max_pending_requests_hard_limit", 2 * pending),
            ("grpc.max_concurrent_streams", self.max_streams_per_connection),
            # Both, so that none is refused by chance between the soft limit and the hard one.
            ("grpc.max_metadata_size", _METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", _METADATA_BYTES),
            # The bounds on headers bind only who has acknowledged the settings: whoever does not is cut off.
            ("grpc.http2.settings_timeout", _SETTINGS_TIMEOUT_MS),
            # With probing on, one reader that stalls piles up megabytes in its window.
            ("grpc.http2.bdp_probe", 0),
        ]


def parse_server_args(program: str, arguments: list[str] | None = None) -> Namespace:
    """The arguments that every server takes: `port_file`."""
    parser = ArgumentParser(prog=f"python -m {program}", description="Settings come from the environment.")
    parser.add_argument(
        "--port-file",
        type=Path,
        metavar="PATH",
        help="write the bound host:port there once the server listens",
    )
    return parser.parse_args(arguments)
