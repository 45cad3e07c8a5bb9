"""Throw-away authorities, and the files of their certificates."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from consensus_rpc.security.authority import Authority, Issued
from consensus_rpc.security.files import ChannelTls, ServerTls, TlsFiles
from consensus_rpc.security.make_certificates import write_issued

LOOPBACK = ("127.0.0.1", "::1")
EXPIRED = timedelta(minutes=-1)


class Pki:
    """An authority and a folder for what it issues."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.make()
        self.trusted = folder / "authority.pem"
        self.trusted.write_bytes(self.authority.certificate)

    def server(self, name: str = "server", **names: Any) -> Path:
        """A certificate for a server on this machine; its path, with the key beside it."""
        return self.write(
            name, self.authority.issue(**{"addresses": LOOPBACK, "dns": ("localhost",)} | names)
        )

    def client(self, name: str = "client", **names: Any) -> Path:
        """A certificate that calls itself `spiffe://consensus/<name>` unless told otherwise."""
        return self.write(name, self.authority.issue(**names or {"uris": (f"spiffe://consensus/{name}",)}))

    def write(self, name: str, issued: Issued) -> Path:
        return write_issued(self.folder, name, issued)[0]

    def server_tls(self, certificate: Path, *, clients: bool = False) -> ServerTls:
        """How a listener uses it; with `clients` it requires certificates of this authority."""
        return ServerTls(files=files(certificate, self.trusted if clients else None))

    def channel_tls(self, certificate: Path | None = None, server_name: str = "") -> ChannelTls:
        """How a channel trusts this authority, and shows a certificate."""
        return ChannelTls(files=files(certificate, self.trusted), server_name=server_name)


def files(certificate: Path | None, authority: Path | None) -> TlsFiles:
    """A certificate with the key beside it."""
    key = certificate.with_suffix(".key") if certificate else None
    return TlsFiles(certificate=certificate, key=key, authority=authority)


def listener_settings(name: str, certificate: Path, authority: Path | None = None) -> dict[str, str]:
    """The settings of a listener, such as `REVIEW_LISTEN`."""
    found = {
        f"{name}_CERTIFICATE_FILE": str(certificate),
        f"{name}_KEY_FILE": str(certificate.with_suffix(".key")),
    }
    return found | ({f"{name}_AUTHORITY_FILE": str(authority)} if authority else {})


def pair_settings(pki: Pki) -> tuple[dict[str, str], dict[str, str]]:
    """Settings of the review and of the persistence service with TLS everywhere, mutual between them."""
    record = pki.server("persistence", uris=("spiffe://consensus/persistence",))
    review = pki.server("review", uris=("spiffe://consensus/review",))
    return (
        listener_settings("REVIEW_LISTEN", review)
        | listener_settings("PERSISTENCE_ADDRESS", review, pki.trusted),
        listener_settings("PERSISTENCE_LISTEN", record)
        | listener_settings("PERSISTENCE_INTERNAL_LISTEN", record, pki.trusted),
    )
