"""The id of one call, handed from hop to hop in metadata."""

import re
from contextvars import ContextVar

from uuid_utils.compat import uuid7

REQUEST_ID_KEY = "x-request-id"

_VALID = re.compile(r"[0-9A-Za-z._:-]{1,64}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


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
    return _current.get()


def work_for(request_id: str) -> None:
    """From here on this task works for that call; servers say so to their logs too (`bind_request_id`)."""
    _current.set(request_id)
