"""Text that came from elsewhere, made safe to show; and numbers, times and enums in words: pure."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from google.protobuf import duration_pb2, timestamp_pb2

from consensus.v1 import attempt_pb2
from consensus_contract.characters import written_out

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

_ZEROS = re.compile(r"(?<![\w.])(\d+\.\d\d(?:\d*[1-9])?)0+(?![\w.]*\d)")
_WORD = re.compile(r"\w+")

Value = TypeVar("Value", bound=int)


def clean(text: str) -> str:
    """The text on one line, without anything that a terminal obeys or that hides: escapes, other controls,
    marks of direction, fillers.

    Whitespace of any kind becomes single spaces; what is left of controls is written as `\\x1b`.
    """
    return " ".join(written_out(text).split())


def clean_lines(text: str) -> list[str]:
    """The text's lines, each as `clean` leaves it; blank ones at either end are dropped."""
    lines = [clean(line) for line in text.splitlines()]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def visible(line: str) -> str:
    """The line with controls written out as `clean` does, but every space kept; line breaks are spaces."""
    return written_out(line)


def visible_lines(text: str) -> str:
    """As `visible`, but with its line breaks kept: what every printer puts its words through at last."""
    return "\n".join(map(written_out, text.split("\n")))


def shorten(text: str, characters: int) -> str:
    """The cleaned text, cut with an ellipsis to at most this many characters."""
    line = clean(text)
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def score(number: float) -> str:
    """A score, weight or confidence: two decimals at least, four at most."""
    whole = f"{number:.4f}"
    return whole[:-2] if whole.endswith("00") else whole.removesuffix("0")


def sentence(words: str) -> str:
    """A service's sentence, cleaned, its fractions written as scores are: without idle zeros."""
    return _ZEROS.sub(r"\1", clean(words))


def duration(seconds: float) -> str:
    """A span of time: `0.4 s`, `75.0 s`."""
    return f"{seconds:.1f} s"


def number(count: int) -> str:
    """A count with its thousands apart: `12,345`."""
    return f"{count:,}"


def same_words(words: str) -> str:
    """What is equal for texts that differ in case, punctuation and spaces alone."""
    return " ".join(_WORD.findall(words.casefold()))


def word(names: "_EnumTypeWrapper[Value]", number: Value, prefix: str) -> str:
    """An enum's value as a lowercase word; `unknown (7)` for a value of a newer server."""
    try:
        return names.Name(number).removeprefix(prefix).lower().replace("_", " ")
    except ValueError:
        return f"unknown ({number})"


def persona_name(persona_id: str) -> str:
    """`user_advocate` as `UserAdvocate`, for where the display name is not at hand."""
    return "".join(part.capitalize() for part in clean(persona_id).split("_"))


def count(number: int, noun: str) -> str:
    """`1 attempt`, `2 attempts`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds(span: duration_pb2.Duration) -> float:
    """A span in seconds."""
    return span.seconds + span.nanos / 1e9


def instant(stamp: timestamp_pb2.Timestamp) -> str:
    """An instant as `2026-11-20 14:03:07 UTC`."""
    return moment(stamp).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(stamp: timestamp_pb2.Timestamp) -> datetime:
    """An instant, aware of its zone."""
    return stamp.ToDatetime(tzinfo=UTC)


def between(start: timestamp_pb2.Timestamp, end: timestamp_pb2.Timestamp) -> float:
    """Seconds from one instant to the other."""
    return (moment(end) - moment(start)).total_seconds()


def money(cost: attempt_pb2.Cost) -> str:
    """An amount with all six decimals, since a call costs less than a cent, and its currency."""
    whole, micros = divmod(cost.micros, 1_000_000)
    return f"{whole}.{micros:06d} {clean(cost.currency)}"


def size(byte_count: int) -> str:
    """Bytes in the unit that suits them."""
    amount = float(byte_count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
