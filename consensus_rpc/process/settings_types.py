"""The checks behind the types of settings: pure functions from what was given to what is kept."""

import re
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl, urlsplit

_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")


def split_host_port(value: str) -> tuple[str, int]:
    """Host (without brackets) and port of `host:port`.

    Raises:
        ValueError: when it is not of that form.
    """
    match = _HOST_PORT.fullmatch(value)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError("is not host:port")
    return match["host"].strip("[]"), int(match["port"])


def no_truth_value(value: object) -> object:
    """The same, unless it is true or false, which would else be read as the number 1 or 0.

    Raises:
        ValueError: it is one of them.
    """
    if isinstance(value, bool):
        raise ValueError("is a number, neither true nor false")  # noqa: TRY004 - pydantic tells of it
    return value


def check_host_port(value: str) -> str:
    """The same text, if it is `host:port`.

    Raises:
        ValueError: when it is not.
    """
    split_host_port(value)
    return value


def check_target(value: str) -> str:
    """The same text, if it is `host:port`, `dns:///host:port` or `dns://server/host:port` with a real port.

    Raises:
        ValueError: when it is not.
    """
    address = value.rsplit("/", 1)[1] if value.startswith("dns://") and value.count("/") >= 3 else value
    if split_host_port(address)[1] == 0:
        raise ValueError("port 0 is no target")
    return value


def check_http_url(value: str, *, query_names: Collection[str] = ()) -> str:
    """The same text, if it is `http(s)://host:port/path` with nothing in it that could be a secret.

    Raises:
        ValueError: when it is not, or has another query than of these names; it never repeats the text.
    """
    try:
        parts = urlsplit(value)
        names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)}
        has_port = parts.port != 0
    except ValueError:
        raise ValueError("is not an address over http or https") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        raise ValueError("is not an address over http or https")
    if "@" in value or parts.fragment or not value.isascii() or any(char <= " " for char in value):
        raise ValueError("holds credentials, a fragment, or what an address cannot hold")
    if not names <= set(query_names):
        raise ValueError("has a query that is not allowed")
    return value


def parse_hundredths(value: object) -> int:
    """`"0.7"` as 70; an int is taken as hundredths already.

    Raises:
        ValueError: when it is no number or has more than two decimals.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        hundredths = Decimal(str(value).strip()) * 100
        whole = int(hundredths)
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError("is not a number") from error
    if whole != hundredths:
        raise ValueError("has more than two decimals")
    return whole
