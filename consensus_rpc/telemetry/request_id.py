"""The id of one call, handed from hop to hop in metadata."""

import re

from structlog.contextvars import get_contextvars
from uuid_utils.compat import uuid7

REQUEST_ID_KEY = "x-request-id"

_VALID = re.compile(r"[0-9A-Za-z._:-]{1,64}")


def new_request_id() -> str:
    """A fresh id (UUIDv7, so that ids sort by time)."""
    return str(uuid7())


def accepted_request_id(given: object) -> str:
    """The caller's id if it is 1 to 64 of `0-9A-Za-z._:-`, else a fresh one; no other text is let in."""
    if isinstance(given, str) and _VALID.fullmatch(given):
        return given
    return new_request_id()


def current_request_id() -> str | None:
    """The id of the call that this task works for, if any."""
    found = get_contextvars().get("request_id")
    return found if isinstance(found, str) else None
