"""The door's settings: where it listens, who may come in by which name, where the services are."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from consensus_rpc.channel.bearer import stays_here
from consensus_rpc.channel.shard_map import ShardAddress, ShardMap, read_shard_map
from consensus_rpc.process.settings import HostPort, Seconds, Settings, Target
from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_tls import (
    CERTIFICATE,
    KEY,
    PemFile,
    channel_tls,
    check_plain_text,
    listener_tls,
    pem_file,
)
from consensus_rpc.security.files import ChannelTls, ServerTls

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z_.-]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[0-9a-z_.-]+)(:[0-9]{1,5})?")

_AUTHORITY = "Authority (PEM) of {}'s certificate; empty: plain text."
_OWN_CERTIFICATE = "Certificate (PEM) to show there, of a name that the access policy has no roles for."
_SERVER_NAME = "DNS name of that certificate, where it is not the host."
_LOOPBACK_HOSTS = "localhost,127.0.0.1,[::1]"


def listed(value: str) -> tuple[str, ...]:
    """What stands between the commas of a list, in lower case."""
    return tuple(part for each in value.split(",") if (part := each.strip().lower()))


def _check_hosts(value: str) -> str:
    if not listed(value) or not all(_HOST.fullmatch(each) for each in listed(value)):
        raise ValueError("is no list of hosts")
    return value


def _check_origins(value: str) -> str:
    if not all(_ORIGIN.fullmatch(each) for each in listed(value)):
        raise ValueError("is no list of origins")
    return value


Hosts = Annotated[
    str,
    AfterValidator(_check_hosts),
    Allowed("host or host:port, with commas between them, such as a.example"),
]
Origins = Annotated[
    str, AfterValidator(_check_origins), Allowed("scheme://host[:port], with commas between them")
]


class DoorSettings(Settings):
    """What the door can be told."""

    door_listen: HostPort = Field("127.0.0.1:8080", description="Where the door listens for HTTP.")
    door_listen_certificate_file: PemFile | None = pem_file(CERTIFICATE, "DOOR_LISTEN")
    door_listen_key_file: PemFile | None = pem_file(KEY)
    door_allowed_hosts: Hosts = Field(
        _LOOPBACK_HOSTS,
        description="What `Host` may be; an entry without a port allows each. Any other is refused.",
    )
    door_allowed_origins: Origins = Field(
        "",
        description="Pages elsewhere that may call the door from a browser (CORS); empty: none.",
    )
    door_cookie_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="What the page's cookies are encrypted with, 32 characters or more, the same at every"
        " door; empty: one that lasts until the door ends.",
    )
    door_read_only: bool = Field(False, description="Whether the page only shows: no forms that change runs.")
    door_review_address: Target = Field("127.0.0.1:50051", description="Where the door finds ReviewService.")
    door_review_address_authority_file: PemFile | None = pem_file(_AUTHORITY, "DOOR_REVIEW_ADDRESS")
    door_review_address_certificate_file: PemFile | None = pem_file(_OWN_CERTIFICATE)
    door_review_address_key_file: PemFile | None = pem_file(KEY)
    door_review_address_name: str = Field("", max_length=255, description=_SERVER_NAME)
    door_persistence_address: ShardAddress = Field(
        "127.0.0.1:50052",
        description="Where the door finds all other services: the address for callers; or where they are for"
        " each tenant, as PERSISTENCE_ADDRESS says it.",
    )
    door_persistence_address_authority_file: PemFile | None = pem_file(_AUTHORITY, "DOOR_PERSISTENCE_ADDRESS")
    door_persistence_address_certificate_file: PemFile | None = pem_file(_OWN_CERTIFICATE)
    door_persistence_address_key_file: PemFile | None = pem_file(KEY)
    door_persistence_address_name: str = Field("", max_length=255, description=_SERVER_NAME)
    door_metrics_listen: HostPort | None = Field(
        None, description="Where Prometheus finds the door's /metrics over HTTP; empty: nowhere."
    )
    door_max_calls: int = Field(
        500, ge=1, le=10_000, description="Requests that the door works on; one more is refused: OVERLOADED."
    )
    door_max_streams: int = Field(
        400, ge=1, le=10_000, description="Those of them that may be streams; one more is refused."
    )
    door_max_connections: int = Field(
        1024, ge=1, le=100_000, description="Connections that the door holds; one more is closed at once."
    )
    door_max_body_bytes: int = Field(
        4_194_304, ge=1024, le=67_108_864, description="Bytes of a request's body: MESSAGE_TOO_LARGE."
    )
    door_max_header_bytes: int = Field(
        16_384, ge=1024, le=65_536, description="Bytes of a request's line and headers: status 431."
    )
    door_request_seconds: Seconds = Field(
        10.0, ge=0.05, le=600, description="How long headers, and again a body, may take to come: status 408."
    )
    door_call_seconds: Seconds = Field(
        600.0, ge=1, le=86_400, description="How long a call that answers once may take, and a whole review."
    )
    door_page_seconds: Seconds = Field(
        30.0, ge=1, le=600, description="How long a page may take to come: status 504."
    )
    slow_consumer_seconds: Seconds = Field(
        30.0,
        ge=0.05,
        le=3600,
        description="A call whose reader takes nothing for this long is ended: SLOW_CONSUMER.",
    )
    drain_grace_seconds: Seconds = Field(
        20.0, ge=0, le=3600, description="How long calls in flight may go on after SIGTERM."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`auto` is text on a terminal and JSON elsewhere."
    )
    allow_insecure: bool = Field(
        False, description="Whether plain text may leave this machine: for networks without strangers."
    )

    @model_validator(mode="after")
    def _plain_text_stays_here(self) -> Self:
        if self.listen_tls() is None:
            check_plain_text("DOOR_LISTEN", self.door_listen, is_allowed=self.allow_insecure)
        self._check_way("DOOR_REVIEW_ADDRESS", self.door_review_address, self.review_tls())
        self.shard_map()
        return self

    def shard_map(self) -> ShardMap:
        """Where the other services are now, for each tenant.

        Raises:
            ValueError: that cannot be read, or would take credentials off this machine in plain text.
        """
        found = read_shard_map(self.door_persistence_address)
        for address in found.addresses():
            self._check_way("DOOR_PERSISTENCE_ADDRESS", address, self.persistence_tls())
        return found

    def _check_way(self, name: str, address: str, tls: ChannelTls | None) -> None:
        """Callers' credentials go that way."""
        if tls is None and not (self.allow_insecure or stays_here(address)):
            raise ValueError(
                f"{name}: given {address} without {name}_AUTHORITY_FILE, but plain text stays on the "
                "loopback; set it, or ALLOW_INSECURE=true (--insecure) where nobody else can listen"
            )

    def listen_tls(self) -> ServerTls | None:
        """That of the address for callers."""
        return listener_tls("DOOR_LISTEN", self.door_listen_certificate_file, self.door_listen_key_file, None)

    def review_tls(self) -> ChannelTls | None:
        """That of the way to the review service."""
        return channel_tls(
            "DOOR_REVIEW_ADDRESS",
            self.door_review_address_authority_file,
            self.door_review_address_certificate_file,
            self.door_review_address_key_file,
            self.door_review_address_name,
        )

    def persistence_tls(self) -> ChannelTls | None:
        """That of the way to the persistence service."""
        return channel_tls(
            "DOOR_PERSISTENCE_ADDRESS",
            self.door_persistence_address_authority_file,
            self.door_persistence_address_certificate_file,
            self.door_persistence_address_key_file,
            self.door_persistence_address_name,
        )
