"""Oddities of a model's answer whose meaning is plain, put right without another call, and noted. Pure.

Nothing is guessed: no text is looked for in other text, no number made out of a string, and what two
readings could be made of stays as it is, for the strict reading to refuse.
"""

import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

BYTE_ORDER_MARK: Final = "byte_order_mark"
THINKING: Final = "thinking"
CODE_FENCE: Final = "code_fence"
JSON_IN_STRING: Final = "json_in_string"
EXTRA_FIELDS: Final = "extra_fields"
MISSING_NULLABLE: Final = "missing_nullable"
BLANK_OPTIONAL: Final = "blank_optional"
BLANK_REQUIRED: Final = "blank_required"
NULL_LIST: Final = "null_list"
BLANK_ENTRIES: Final = "blank_entries"

_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_FENCE_BEGIN = re.compile(r"```[A-Za-z0-9_-]*\s*")
_FENCE_END = "```"
# Letters by their category that nobody can see: fillers of Hangul and Braille's empty cell.
_UNSEEN = dict.fromkeys(map(ord, "\u115f\u1160\u2800\u3164\uffa0"))


class Notes:
    """What was mended, each kind once, in order."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        """Nothing yet."""
        self._kinds: dict[str, None] = {}

    def add(self, kind: str) -> None:
        """Notes one more."""
        self._kinds[kind] = None

    def __iter__(self) -> Iterator[str]:
        """Yields the kinds."""
        return iter(self._kinds)


def unwrapped(text: str, notes: Notes) -> str:
    """The JSON of an answer, without what models put around the whole of it."""
    while True:
        text = text.strip()
        if text.startswith("\ufeff"):
            notes.add(BYTE_ORDER_MARK)
            text = text[1:]
        elif (thinking := _THINKING.match(text)) is not None:
            notes.add(THINKING)
            text = text[thinking.end() :]
        elif (fence := _FENCE_BEGIN.match(text)) and text.endswith(_FENCE_END) and len(text) > fence.end():
            notes.add(CODE_FENCE)
            text = text[fence.end() : -len(_FENCE_END)]
        else:
            return text


def mended(kind: type[BaseModel], value: Any, blanks: dict[str, str], notes: Notes) -> Any:
    """Parsed JSON as the output's kind would have it; `blanks` are what stands where a text is blank."""
    if not isinstance(value, dict):
        return value
    if not value.keys() <= kind.model_fields.keys():
        notes.add(EXTRA_FIELDS)
    whole = {}
    for name, field in kind.model_fields.items():
        if name in value:
            whole[name] = _mended_field(field, value[name], blanks.get(name), notes)
        elif _is_nullable(field):
            notes.add(MISSING_NULLABLE)
            whole[name] = None
    return whole


def _mended_field(field: FieldInfo, value: Any, blank: str | None, notes: Notes) -> Any:
    if get_origin(field.annotation) is list:
        return _mended_list(get_args(field.annotation)[0], value, notes)
    if blank is not None and _is_blank(value):
        notes.add(BLANK_REQUIRED)
        return blank
    if isinstance(value, str) and _is_nullable(field) and _is_blank(value):
        notes.add(BLANK_OPTIONAL)
        return None
    return value


def _mended_list(entry_kind: Any, value: Any, notes: Notes) -> Any:
    if value is None:
        notes.add(NULL_LIST)
        return []
    if not isinstance(value, list):
        return value
    entries = [entry for entry in value if not _says_nothing(entry)]
    if len(entries) < len(value):
        notes.add(BLANK_ENTRIES)
    if isinstance(entry_kind, type) and issubclass(entry_kind, BaseModel):
        return [mended(entry_kind, entry, {}, notes) for entry in entries]
    return entries


def _says_nothing(entry: Any) -> bool:
    """Whether an entry of a list is blank; one that is marked as critical to security says something."""
    if isinstance(entry, dict):
        return "text" in entry and _is_blank(entry["text"]) and entry.get("security_critical") is not True
    return _is_blank(entry)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.translate(_UNSEEN).strip())


def _is_nullable(field: FieldInfo) -> bool:
    return NoneType in get_args(field.annotation)
