"""How long a provider asks to be left alone, from the headers of its answer (RFC 9110, section 10.2.3)."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that `retry-after-ms` or `retry-after` asks for; None when neither says anything usable.

    `headers` are looked up in lowercase. `retry-after` is a number of seconds or an HTTP date, which is
    compared with `now`; a date that has passed asks for no wait.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, now)


def _number(value: str | None) -> float | None:
    """A finite number that is not negative, or None."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _until(value: str | None, now: datetime) -> float | None:
    """Seconds from `now` to an HTTP date, at least 0, or None when it is none."""
    try:
        instant = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    if instant.tzinfo is None:  # "-0000": UTC of unknown origin
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, (instant - now).total_seconds())
