"""Where the Responses API is, from the address that OPENAI_BASE_URL gives. Pure."""

from urllib.parse import urlsplit, urlunsplit

_ENDPOINT = "/responses"


def responses_url(base_url: str) -> str:
    """The address that calls go to: the path's own end added where it is missing, a query kept."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    path = path if path.endswith(_ENDPOINT) else path + _ENDPOINT
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def library_base(base_url: str | None) -> str | None:
    """The address as the client library takes it, which knows no query."""
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
