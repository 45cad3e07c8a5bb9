"""Which `Host` and which `Origin` may come in. Pure.

Without the first a page whose name is made to lead here (DNS rebinding) would be of the same origin; without
the second any page that a browser shows could call the door with what the browser has for it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from consensus_door.config import listed

_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Origins:
    """Hosts, with or without a port, and origins, all in lower case."""

    hosts: Collection[str]
    others: Collection[str] = ()
    """Origins of pages elsewhere that may call."""

    @classmethod
    def of(cls, hosts: str, origins: str) -> "Origins":
        """From the settings: lists with commas."""
        return cls(frozenset(listed(hosts)), frozenset(listed(origins)))

    def allows_host(self, host: str) -> bool:
        """Whether a request may call the door so; an entry without a port allows each port."""
        named = host.lower()
        return named in self.hosts or _without_port(named) in self.hosts

    def is_other(self, origin: str) -> bool:
        """Whether the page is one of elsewhere that may call, and be told so (CORS)."""
        return origin.lower() in self.others

    def allows_origin(self, headers: Mapping[str, str], method: str) -> bool:
        """Whether a browser's page may send this: the door's own, an allowed one, or no page at all.

        A browser names no origin where somebody follows a link, and where a page elsewhere embeds what the
        door serves; it says which of the two.
        """
        origin = headers.get("origin")
        if origin is not None:
            return self.is_other(origin) or _is_same(origin, headers.get("host", ""))
        if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            return True
        return method == "GET" and headers.get("sec-fetch-mode") == "navigate"


def _without_port(host: str) -> str:
    """The host alone; all of it where what stands behind is no port."""
    found = _PORT.fullmatch(host)
    return host if found is None else found[1]


def _is_same(origin: str, host: str) -> bool:
    """Whether an origin is the host that was called; its scheme may be that of a proxy in front."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == host.lower()
