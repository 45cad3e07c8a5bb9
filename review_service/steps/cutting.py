"""What is too long in an answer, cut where no rule reads it, and named; elsewhere it is refused. Pure."""

from collections.abc import Collection, Sequence
from typing import Any

from google.protobuf.message import Message

MAX_STRING_CHARACTERS = 4_000
MAX_LIST_ITEMS = 50
_ELLIPSIS = "…"


class DoesNotFitError(ValueError):
    """A message is larger than it may be, and what can be cut of it does not make up for it."""


def cut_to_bounds(value: Any, fields: Collection[str]) -> tuple[str, ...]:
    """Cuts lists and texts of parsed JSON to their bounds, in place; the names of those that were cut."""
    if not isinstance(value, dict):
        return ()
    cut = []
    for name in fields:
        shorter = _within_bounds(value.get(name))
        if shorter is not None:
            value[name] = shorter
            cut.append(name)
    return tuple(cut)


def cut_to_size(message: Message, fields: Sequence[str], most_bytes: int) -> tuple[str, ...]:
    """Drops the last entries of the largest of these lists until the message fits; the lists that were cut.

    Raises:
        DoesNotFitError: it is still too large without any of them.
    """
    over = message.ByteSize() - most_bytes
    sizes = {name: [_size(entry) for entry in getattr(message, name)] for name in fields}
    cut = set()
    while over > 0:
        largest = max(fields, key=lambda name: sum(sizes[name]))
        if not sizes[largest]:
            raise DoesNotFitError(f"it takes more than {most_bytes} bytes even without its lists")
        over -= sizes[largest].pop()
        cut.add(largest)
    for name in cut:
        del getattr(message, name)[len(sizes[name]) :]
    return tuple(name for name in fields if name in cut)


def _within_bounds(value: Any) -> Any:
    """The value cut to its bounds, or None when it keeps them."""
    if isinstance(value, str):
        return _shortened(value)
    if not isinstance(value, list):
        return None
    entries = [_entry(each) for each in value[:MAX_LIST_ITEMS]]
    is_whole = len(value) <= MAX_LIST_ITEMS and all(each is None for each in entries)
    return (
        None if is_whole else [old if new is None else new for old, new in zip(value, entries, strict=False)]
    )


def _entry(entry: Any) -> Any:
    if isinstance(entry, dict) and isinstance(entry.get("text"), str):
        text = _shortened(entry["text"])
        return None if text is None else entry | {"text": text}
    return _shortened(entry) if isinstance(entry, str) else None


def _shortened(text: str) -> str | None:
    """The text cut to what a string may hold, or None when it fits."""
    trimmed = text.strip()
    if len(trimmed) <= MAX_STRING_CHARACTERS:
        return None
    return trimmed[: MAX_STRING_CHARACTERS - 1].rstrip() + _ELLIPSIS


def _size(entry: Message | str) -> int:
    """What dropping an entry saves, at least."""
    return 2 + (len(entry.encode()) if isinstance(entry, str) else entry.ByteSize())
