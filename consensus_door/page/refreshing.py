"""Whether a page of the list asks for itself anew while it is looked at. Pure but for the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlencode

LIVE = "live"
"""The parameter that stops it: `live=off`."""

_OFF = "off"


@dataclass(frozen=True, slots=True)
class Refreshing:
    """What a page of the list says of it."""

    is_on: bool
    url: str
    """The page itself."""
    other_url: str
    """The page with the same conditions that does otherwise."""
    time: str
    """When its rows were read, in UTC."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self | None:
        """None where it is not offered: nothing new comes behind the first page, and searches cost much."""
        if "page_token" in query or query.get("search", "").strip():
            return None
        is_on = query.get(LIVE) != _OFF
        rest = {name: value for name, value in query.items() if name != LIVE}
        return cls(
            is_on,
            _url(dict(query)),
            _url(rest | {LIVE: _OFF} if is_on else rest),
            datetime.now(UTC).strftime("%H:%M:%S"),
        )


def _url(query: Mapping[str, str]) -> str:
    return "/runs" + (f"?{urlencode(query)}" if query else "")
