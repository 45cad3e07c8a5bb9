"""The checks behind the types of settings: pure functions from what was given to what is kept."""

import re
from decimal import Decimal, InvalidOperation

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
