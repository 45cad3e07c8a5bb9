"""Where a route's API is, from the address that its table or OPENAI_BASE_URL gives. Pure."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from review_service.model.routes import Protocol

_ENDPOINTS: Final = {Protocol.RESPONSES: "/responses", Protocol.CHAT_COMPLETIONS: "/chat/completions"}


def endpoint_url(base_url: str, protocol: Protocol) -> str:
    """The address that calls go to: the path's own end added where it is missing, a query kept."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    for each in _ENDPOINTS.values():
        path = path.removesuffix(each)
    return urlunsplit((parts.scheme, parts.netloc, path + _ENDPOINTS[protocol], parts.query, ""))


def protocol_of(base_url: str | None) -> Protocol:
    """The protocol that an address says by its end; AUTO where it says none."""
    path = urlsplit(base_url or "").path.rstrip("/")
    return next((each for each, end in _ENDPOINTS.items() if path.endswith(end)), Protocol.AUTO)


def library_base(base_url: str | None) -> str | None:
    """The address as the client library takes it, which knows no query."""
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def server_of(base_url: str) -> tuple[str, int] | None:
    """Host and port of an address; None where it has none."""
    parts = urlsplit(base_url)
    if parts.hostname is None:
        return None
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)
