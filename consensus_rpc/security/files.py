"""Which files an address is spoken to with. Pure."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where PEM files are: one's own certificate (with what leads to its authority) and key, and whom one
    believes. The first two go together."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def paths(self) -> dict[str, Path]:
        """Those that are named, by what they hold."""
        named = {"certificate": self.certificate, "key": self.key, "authority": self.authority}
        return {what: path for what, path in named.items() if path is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """How a listener proves who it is; with an authority in `files`, clients must prove it too.

    gRPC for Python asks all clients or none: one that may show a certificate and need not cannot be had.
    """

    files: TlsFiles

    @property
    def requires_certificates(self) -> bool:
        """Whether a client without a certificate is turned away."""
        return self.files.authority is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTls:
    """How a channel proves who the server is, and, with certificate and key, who it is itself.

    Without an authority in `files` those that gRPC comes with are believed. `server_name` is the DNS name
    that the server's certificate must have, where it is not the host that is called.
    """

    files: TlsFiles
    server_name: str = ""

    def channel_arguments(self) -> list[tuple[str, str]]:
        """gRPC's own names."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []
