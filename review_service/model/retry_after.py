"""How long a provider asks to be left alone, from the headers of its answer (RFC 9110, 10.2.3). Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Nobody waits for longer than a run may take; a longer wait counts as this one.
MAX_SECONDS = 7 * 86_400.0
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,9})?")


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that `retry-after-ms` or `retry-after` asks for; None when neither says anything usable.

    `headers` are looked up in lowercase. `retry-after` is a number of seconds or an HTTP date, which is
    compared with `now`; a date that has passed asks for no wait.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_SECONDS)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None:
        seconds = _until(value, now)
    return None if seconds is None else min(seconds, MAX_SECONDS)


def _number(value: str | None) -> float | None:
    """A number in plain digits that is not negative, or None."""
    return float(value) if value and _NUMBER.fullmatch(value.strip()) else None


def _until(value: str | None, now: datetime) -> float | None:
    """Seconds from `now` to an HTTP date, at least 0, or None when it is none."""
    if not value or not value.isascii():
        return None
    try:
        instant = parsedate_to_datetime(value)
        if instant.tzinfo is None:  # "-0000": UTC of unknown origin
            instant = instant.replace(tzinfo=UTC)
        return max(0.0, (instant - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date, or one that no calendar has
        return None
