"""Instants and spans that a request holds: all of them within what clocks and databases can count."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from consensus_contract.errors import FieldViolation
from consensus_rpc.server.shapes import DURATION, TIMESTAMP, MessageShape

_FIRST_SECOND = -62_135_596_800  # 0001-01-01T00:00:00Z
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_LAST_NANOS = 999_999_000  # what is later in the last second would be rounded into the year 10000
_NANOS = 1_000_000_000
_LONGEST_SECONDS = 36_525 * 86_400

_MOST = 50

_INSTANT = FieldViolation("", "is an instant within the years 1 to 9999", "timestamp.range")
_SPAN = FieldViolation("", "is a span of at most 100 years", "duration.range")


def time_violations(message: Any, shape: MessageShape) -> list[FieldViolation]:
    """One violation for each instant and span that is out of range."""
    return list(islice(_found(message, shape, ""), _MOST)) if shape.times else []


def _found(message: Any, shape: MessageShape, path: str) -> Iterator[FieldViolation]:
    if shape.type_name == TIMESTAMP:
        if not _is_instant(message.seconds, message.nanos):
            yield FieldViolation(path, _INSTANT.description, _INSTANT.reason)
    elif shape.type_name == DURATION:
        if not _is_span(message.seconds, message.nanos):
            yield FieldViolation(path, _SPAN.description, _SPAN.reason)
    else:
        for name, is_repeated, inner in shape.times:
            below = f"{path}.{name}" if path else name
            if is_repeated:
                for index, each in enumerate(getattr(message, name)):
                    yield from _found(each, inner, f"{below}[{index}]")
            elif message.HasField(name):
                yield from _found(getattr(message, name), inner, below)


def _is_instant(seconds: int, nanos: int) -> bool:
    last = _LAST_NANOS if seconds == _LAST_SECOND else _NANOS - 1
    return _FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos <= last


def _is_span(seconds: int, nanos: int) -> bool:
    has_one_sign = seconds == 0 or nanos == 0 or (seconds < 0) == (nanos < 0)
    return abs(seconds) <= _LONGEST_SECONDS and abs(nanos) < _NANOS and has_one_sign
