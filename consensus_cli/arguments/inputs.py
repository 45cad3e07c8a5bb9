"""What a user typed, made into what the client takes; anything wrong is wrong usage (exit 2)."""

import codecs
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import typer

from consensus_client.requests import Context
from consensus_rpc.process.settings_types import check_target

_LARGEST_EXACT_INTEGER = 2**53
_SPAN = re.compile(r"([0-9]{1,9})([mhdw])")
_SPANS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_STDIN = "-"


def idea_text(given: str) -> str:
    """The idea from the argument, from `@file`, or from standard input for `-`.

    Raises:
        typer.BadParameter: when it cannot be read.
    """
    if given == _STDIN:
        if sys.stdin.isatty():
            sys.stderr.write("Type the idea; Ctrl-D on a line of its own ends it.\n")
        return _decoded(sys.stdin.buffer.read(), "standard input")
    return _from_file(given[1:]) if given.startswith("@") else given


def context_value(given: str | None) -> Context | None:
    """Prose, or an object where the text begins with a brace.

    Raises:
        typer.BadParameter: when it cannot be read, or begins with a brace and is no strict JSON object.
    """
    if given is None:
        return None
    whole = _from_file(given[1:]) if given.startswith("@") else given
    if not whole.lstrip().startswith("{"):
        return whole
    try:
        found: dict[str, Any] = json.loads(
            whole, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_exact_integer
        )
    except ValueError as error:
        raise typer.BadParameter(f"begins with a brace but is no JSON object: {error}") from error
    return found


def hundredths(name: str, given: float | None) -> float | None:
    """The same number, if it has at most two decimals.

    Raises:
        typer.BadParameter: when it has more.
    """
    if given is not None and Decimal(str(given)) * 100 % 1:
        raise typer.BadParameter(f"{name}: {given} has more than two decimals")
    return given


def target(given: str) -> str:
    """The same address, if it is one.

    Raises:
        typer.BadParameter: when it is not `host:port` or `dns:///host:port`.
    """
    try:
        return check_target(given)
    except ValueError as error:
        raise typer.BadParameter(f"{given!r} {error}; give host:port or dns:///host:port") from error


def page_address(given: str) -> str:
    """The address of a door, without a slash at its end.

    Raises:
        typer.BadParameter: when it is none, or holds more than a scheme, a host, a port and a path.
    """
    parts = urlsplit(given) if given.isascii() and given.isprintable() and " " not in given else None
    if parts is None or parts.scheme not in {"http", "https"} or not _is_bare(parts):
        raise typer.BadParameter(f"{given!r} is no address of a door, such as http://127.0.0.1:8080")
    return given.rstrip("/")


def _is_bare(parts: SplitResult) -> bool:
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return has_port and bool(parts.hostname) and not (parts.query or parts.fragment or "@" in parts.netloc)


def instant(given: str | None, *, is_end: bool) -> datetime | None:
    """An instant from ISO 8601; without a zone it is UTC; a day alone means its start, or its end.

    Raises:
        typer.BadParameter: when it is none.
    """
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError as error:
        raise typer.BadParameter(
            f"{given!r} is no ISO 8601 date or time, such as 2026-11-20T14:00Z"
        ) from error
    if is_end and len(given) == len("2026-11-20") and found.time() == time():
        found = datetime.combine(found.date(), time.max)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def back_from_now(span: str | None) -> datetime | None:
    """The instant so long ago, from a number and m, h, d or w.

    Raises:
        typer.BadParameter: when it is no such span, or longer than there are years.
    """
    if span is None:
        return None
    found = _SPAN.fullmatch(span)
    if found is None:
        raise typer.BadParameter(f"{span!r} is no span of time, such as 45m, 12h, 7d or 2w")
    try:
        return datetime.now(UTC) - int(found[1]) * _SPANS[found[2]]
    except OverflowError:
        raise typer.BadParameter(f"{span!r} reaches too far back") from None


def refuse_together(pairs: Sequence[tuple[str, bool]]) -> None:
    """Refuses options that contradict one another.

    Raises:
        typer.BadParameter: when more than one of them was given.
    """
    given = [name for name, is_given in pairs if is_given]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} do not go together")


def is_file(name: str) -> bool:
    """Whether there is a file, or a folder, of this name."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # no name that a file could have
        return False


def text_of_file(name: str, most_characters: int, kind: str) -> str:
    """The text in a file, of which no more is read than `kind` may have.

    Raises:
        typer.BadParameter: when it cannot be read, is no text, or is longer.
    """
    try:
        with Path(name).open("rb") as file:
            raw = file.read(_most_bytes(most_characters) + 1)
    except OSError as error:
        raise typer.BadParameter(f"cannot read {name!r}: {error.strerror or error}") from error
    return _bounded(raw, repr(name), most_characters, kind)


def text_of_stdin(most_characters: int, kind: str) -> str:
    """The text on standard input, of which no more is read than `kind` may have.

    Raises:
        typer.BadParameter: when it is no text, or is longer.
    """
    if sys.stdin.isatty():
        sys.stderr.write("Type the text; Ctrl-D on a line of its own ends it.\n")
    raw = sys.stdin.buffer.read(_most_bytes(most_characters) + 1)
    return _bounded(raw, "standard input", most_characters, kind)


def _most_bytes(characters: int) -> int:
    return 4 * characters + len(codecs.BOM_UTF8)


def _bounded(raw: bytes, name: str, most_characters: int, kind: str) -> str:
    is_whole = len(raw) <= _most_bytes(most_characters)
    words = _decoded(raw, name) if is_whole else ""
    if is_whole and len(words) <= most_characters:
        return words
    _refuse_binary(raw, name)
    size = f"{len(words):,} characters" if is_whole else "more"
    way_out = "; send its parts as documents of their own" if kind == "a document" else ""
    raise typer.BadParameter(
        f"{name}: {kind} has at most {most_characters:,} characters, this has {size}{way_out}"
    )


def _from_file(name: str) -> str:
    try:
        return _decoded(Path(name).read_bytes(), repr(name))
    except OSError as error:
        raise typer.BadParameter(f"cannot read {name!r}: {error.strerror or error}") from error


def _decoded(raw: bytes, name: str) -> str:
    _refuse_binary(raw, name)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"{name} is not UTF-8 text (byte {error.start + 1:,} begins no character); save it as UTF-8"
        ) from error


def _refuse_binary(raw: bytes, name: str) -> None:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise typer.BadParameter(f"{name} is UTF-16 text; save it as UTF-8")
    if raw.startswith(b"%PDF-") or b"\0" in raw:
        raise typer.BadParameter(f"{name} is no text but a binary file; give the text, such as Markdown")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _exact_integer(digits: str) -> int:
    number = int(digits)
    if abs(number) > _LARGEST_EXACT_INTEGER:
        raise ValueError(f"{digits} cannot be held exactly; give it as a string")
    return number
