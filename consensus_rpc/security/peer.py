"""Whom a connection's certificate names: by its alternative names alone, never by its common name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_URIS = "peer_uri"
_DNS_NAMES = "peer_dns"


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """A peer whose certificate an authority of ours has signed.

    `name` is what it is called in records and policies: its URI (`spiffe://consensus/review`), else its first
    DNS name, in small letters. `names` has all that it may be known by, `name` first.
    """

    name: str
    names: tuple[str, ...]

    @property
    def is_uri(self) -> bool:
        """Whether it goes by a URI, as a SPIFFE id is."""
        return ":" in self.name


def peer_identity(auth_context: Mapping[str, Iterable[bytes]]) -> PeerIdentity | None:
    """The identity of a call's peer, from gRPC's `context.auth_context()`; None where nothing proves any.

    gRPC shows only certificates that it has verified. A certificate names nobody when it has no URI and no
    DNS name: a common name is free text, which authorities copy unchecked. Nor does one with several URIs
    (SPIFFE's X.509-SVID, section 2: exactly one), or one with a name that cannot be a name, such as a URI in
    the place of a host's: whoever could be two is trusted as neither, and an authority that checks the one
    kind may copy the other. A wildcard stands for many, so it is nobody's name.
    """
    try:
        uris = [_readable(each) for each in auth_context.get(_URIS, ())]
        dns = [_readable(each).lower() for each in auth_context.get(_DNS_NAMES, ())]
    except ValueError:
        return None
    if not all(":" in each for each in uris) or any(":" in each for each in dns):
        return None
    hosts = [each for each in dns if "*" not in each]
    if len(uris) > 1 or not (uris or hosts):
        return None
    names = tuple(dict.fromkeys((*uris, *hosts)))
    return PeerIdentity(names[0], names)


def _readable(name: bytes) -> str:
    """A name that is safe in a log and a record: visible ASCII, as both kinds are.

    Raises:
        ValueError: it is anything else.
    """
    text = name.decode("ascii")
    if not text or any(not "!" <= character <= "~" for character in text):
        raise ValueError("not a name")
    return text
