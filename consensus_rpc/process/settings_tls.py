"""Settings of addresses over TLS: which files, what fits together, and where plain text may be spoken."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field

from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_types import split_host_port
from consensus_rpc.security.files import ChannelTls, ServerTls, TlsFiles

PemFile = Annotated[Path, Allowed("a path")]

CERTIFICATE = "Certificate (PEM, with what leads to its authority) of {}; empty: plain text."
KEY = "Its key (PEM)."
AUTHORITY = "Authority (PEM) of client certificates, which are required then; empty: none is asked for."


def pem_file(description: str, where: str = "") -> PemFile | None:
    """A setting that names a file, or none."""
    found: PemFile | None = Field(None, description=description.format(where))
    return found


def listener_tls(
    name: str, certificate: Path | None, key: Path | None, authority: Path | None
) -> ServerTls | None:
    """What the files of the listener `name` (`REVIEW_LISTEN`) come to; None for plain text.

    Raises:
        ValueError: one is missing; the message begins with its variable.
    """
    if certificate is None and key is None and authority is None:
        return None
    for what, path in (("CERTIFICATE", certificate), ("KEY", key)):
        if path is None:
            raise ValueError(f"{name}_{what}_FILE: not set, beside others of {name}")
    return ServerTls(files=TlsFiles(certificate=certificate, key=key, authority=authority))


def channel_tls(
    name: str, authority: Path | None, certificate: Path | None, key: Path | None, server_name: str
) -> ChannelTls | None:
    """What the files of the channel to `name` (`PERSISTENCE_ADDRESS`) come to; None for plain text.

    Raises:
        ValueError: one is missing; the message begins with its variable.
    """
    if authority is None:
        if certificate or key or server_name:
            raise ValueError(f"{name}_AUTHORITY_FILE: not set, beside others of {name}")
        return None
    if (certificate is None) != (key is None):
        missing = "KEY" if key is None else "CERTIFICATE"
        raise ValueError(f"{name}_{missing}_FILE: not set, beside others of {name}")
    files = TlsFiles(certificate=certificate, key=key, authority=authority)
    return ChannelTls(files=files, server_name=server_name)


def check_plain_text(name: str, listen: str, *, is_allowed: bool) -> None:
    """Plain text stays on the loopback, unless somebody wants it elsewhere in so many words.

    Raises:
        ValueError: it would leave it; the message begins with the variable.
    """
    if not is_allowed and not is_loopback(listen):
        raise ValueError(
            f"{name}: given {listen} without {name}_CERTIFICATE_FILE, but plain text stays on the loopback; "
            "set certificate and key, or ALLOW_INSECURE=true (--insecure) where nobody else can listen"
        )


def is_loopback(listen: str) -> bool:
    """Whether an address is this machine's loopback; of names, only `localhost` is known to be (RFC 6761)."""
    host, _ = split_host_port(listen)
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"
