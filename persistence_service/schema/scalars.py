"""Scalars between the wire and the tables: instants, spans, scores, enums and text. Pure.

What the tables cannot hold exactly is refused, never rounded: an event read back must equal the event
that was sent live, byte for byte.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from consensus_rpc.errors import InvalidField

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NANOS = 1_000_000_000
MAX_JSON_INTEGER = 2**53 - 1
MAX_INTEGER = 2**31 - 1
"""Of an INTEGER column, which takes half the room of a BIGINT."""


class EnumType(Protocol):
    """What protobuf's wrappers of enums can do."""

    def Name(self, number: Any) -> str:  # noqa: N802 - protobuf's name
        """The value's name."""
        ...

    def Value(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        """The name's number."""
        ...


def to_timestamp(instant: datetime) -> Timestamp:
    """The instant on the wire."""
    span = instant - EPOCH
    return Timestamp(seconds=span.days * 86_400 + span.seconds, nanos=span.microseconds * 1000)


def from_timestamp(stamp: Timestamp, field: str) -> datetime:
    """The instant, cut to microseconds.

    Raises:
        InvalidField: beyond the years 1 to 9999.
    """
    try:
        return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError as error:
        raise InvalidField(field=field, description="is an instant within the years 1 to 9999") from error


def from_timestamp_up(stamp: Timestamp, field: str) -> datetime:
    """The first microsecond that is not before the instant.

    Raises:
        InvalidField: beyond the years 1 to 9999.
    """
    try:
        return from_timestamp(stamp, field) + (MICROSECOND if stamp.nanos % 1000 else timedelta())
    except OverflowError as error:
        raise InvalidField(field=field, description="is an instant within the years 1 to 9999") from error


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The instant that is so long after 1970, in UTC."""
    return EPOCH + microseconds * MICROSECOND


def to_duration(nanoseconds: int) -> Duration:
    """The span on the wire; both parts have the sign of the whole."""
    seconds, nanos = divmod(abs(nanoseconds), NANOS)
    sign = -1 if nanoseconds < 0 else 1
    return Duration(seconds=sign * seconds, nanos=sign * nanos)


def from_duration(span: Duration, field: str) -> int:
    """The span in nanoseconds.

    Raises:
        InvalidField: beyond 2**53 ns, 104 days, where JSON's numbers are exact no more.
    """
    nanoseconds = span.seconds * NANOS + span.nanos
    if abs(nanoseconds) > MAX_JSON_INTEGER:
        raise InvalidField(field=field, description="is at most 104 days")
    return nanoseconds


def whole(value: float, per_unit: int, field: str) -> int:
    """`value` counted in parts of which one unit has `per_unit`.

    Raises:
        InvalidField: when `value` is not the double nearest to a whole number of parts, or to more of them
            than an INTEGER column takes.
    """
    if abs(value) * per_unit <= MAX_INTEGER:  # also false for NaN
        parts = round(value * per_unit)
        if parts / per_unit == value:
            return parts
    raise InvalidField(field=field, description=f"is a number in steps of 1/{per_unit}")


def ten_thousandths(value: float, field: str) -> int:
    """A score, weight or share: 0.8123 is 8123.

    Raises:
        InvalidField: for more than four decimals.
    """
    return whole(value, 10_000, field)


def hundredths(value: float, field: str) -> int:
    """A temperature: 0.7 is 70.

    Raises:
        InvalidField: for more than two decimals.
    """
    return whole(value, 100, field)


def storable(text: str, field: str) -> str:
    """The text, as long as a database takes it.

    Raises:
        InvalidField: for the character NUL, which PostgreSQL cannot hold.
    """
    if "\x00" in text:
        raise InvalidField(field=field, description="holds no character NUL")
    return text


def storable_json(plain: Any, canonical: bytes, field: str) -> None:
    """Checks the strings of JSON data whose canonical form is at hand.

    Raises:
        InvalidField: for the character NUL, which JSONB cannot hold.
    """
    if b"\\u0000" in canonical and _holds_nul(plain):  # the first may also be a backslash before "u0000"
        raise InvalidField(field=field, description="holds no character NUL")


def _holds_nul(plain: Any) -> bool:
    match plain:
        case str():
            return "\x00" in plain
        case dict():
            return any(_holds_nul(part) for item in plain.items() for part in item)
        case list():
            return any(_holds_nul(part) for part in plain)
        case _:
            return False


def enum_text(wrapper: EnumType, prefix: str, number: int) -> str:
    """The name without its prefix; the number of a value that only a later release knows."""
    try:
        return wrapper.Name(number).removeprefix(prefix)
    except ValueError:
        return str(number)


def enum_number(wrapper: EnumType, prefix: str, text: str) -> Any:
    """The number that `enum_text` made this of."""
    return int(text) if text.isdigit() else wrapper.Value(prefix + text)
