"""Oddities of a model's answer whose meaning is plain, put right without another call, and noted. Pure.

Nothing is guessed: no number is made out of a string, and what two readings could be made of stays as it is,
for the strict reading to refuse. An object is looked for in other text only where the schema is not enforced,
and only if there is no more than one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

BYTE_ORDER_MARK: Final = "byte_order_mark"
THINKING: Final = "thinking"
CODE_FENCE: Final = "code_fence"
JSON_IN_STRING: Final = "json_in_string"
COMMENTARY: Final = "commentary"
ROUNDED: Final = "rounded"
EXTRA_FIELDS: Final = "extra_fields"
MISSING_NULLABLE: Final = "missing_nullable"
BLANK_OPTIONAL: Final = "blank_optional"
BLANK_REQUIRED: Final = "blank_required"
NULL_LIST: Final = "null_list"
BLANK_ENTRIES: Final = "blank_entries"

_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_FENCE_BEGIN = re.compile(r"```[A-Za-z0-9_-]*\s*")
_FENCE_END = "```"
# What rounding may add: scores have two decimals.
_NOISE: Final = 0.005
# Letters by their category that nobody can see: fillers of Hangul and Braille's empty cell.
_UNSEEN = frozenset("\u115f\u1160\u2800\u3164\uffa0")


class Notes:
    """What was mended, each kind once, in order."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[str, None] = {}

    def add(self, kind: str) -> None:
        self._kinds[kind] = None

    def __iter__(self) -> Iterator[str]:
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


def json_within(text: str) -> str | None:
    """What stands from the first brace of a text to the last, thinking left out; None: that is all of it.

    If it is JSON, it is the only object of the text: nothing but words without braces stands around it.
    """
    said = _THINKING.sub("", text)
    begin, end = said.find("{"), said.rfind("}")
    if begin < 0 or end < begin or not (said[:begin].strip() or said[end + 1 :].strip()):
        return None
    return said[begin : end + 1]


def within_noise(value: float, least: float, most: float) -> float:
    """A number that only rounding put beyond its bound, at the bound; any other as it is."""
    if most < value <= most + _NOISE:
        return most
    return least if least - _NOISE <= value < least else value


def mended(kind: type[BaseModel], value: Any, blanks: dict[str, str], notes: Notes) -> Any:
    """Parsed JSON as the output's kind would have it; `blanks` are what stands where a text is blank."""
    if not isinstance(value, dict):
        return value
    if not value.keys() <= kind.model_fields.keys():
        notes.add(EXTRA_FIELDS)
    whole = {}
    for form in _forms(kind):
        if form.name in value:
            whole[form.name] = _mended_field(form, value[form.name], blanks.get(form.name), notes)
        elif form.is_nullable:
            notes.add(MISSING_NULLABLE)
            whole[form.name] = None
    return whole


@dataclass(frozen=True, slots=True)
class _Form:
    """What is known of a field; `entry` is the kind of a list's entries, where they are objects."""

    name: str
    is_nullable: bool
    is_list: bool
    entry: type[BaseModel] | None


@cache
def _forms(kind: type[BaseModel]) -> tuple[_Form, ...]:
    return tuple(_form(name, field.annotation) for name, field in kind.model_fields.items())


def _form(name: str, annotation: Any) -> _Form:
    is_list = get_origin(annotation) is list
    entry = get_args(annotation)[0] if is_list else None
    is_object = isinstance(entry, type) and issubclass(entry, BaseModel)
    return _Form(name, NoneType in get_args(annotation), is_list, entry if is_object else None)


def _mended_field(form: _Form, value: Any, blank: str | None, notes: Notes) -> Any:
    if form.is_list:
        return _mended_list(form.entry, value, notes)
    if blank is not None and _is_blank(value):
        notes.add(BLANK_REQUIRED)
        return blank
    if isinstance(value, str) and form.is_nullable and _is_blank(value):
        notes.add(BLANK_OPTIONAL)
        return None
    return value


def _mended_list(entry_kind: type[BaseModel] | None, value: Any, notes: Notes) -> Any:
    if value is None:
        notes.add(NULL_LIST)
        return []
    if not isinstance(value, list):
        return value
    entries = [entry for entry in value if not _says_nothing(entry)]
    if len(entries) < len(value):
        notes.add(BLANK_ENTRIES)
    return entries if entry_kind is None else [mended(entry_kind, entry, {}, notes) for entry in entries]


def _says_nothing(entry: Any) -> bool:
    """Whether an entry of a list is blank; one that is marked as critical to security says something."""
    if isinstance(entry, dict):
        return "text" in entry and _is_blank(entry["text"]) and entry.get("security_critical") is not True
    return _is_blank(entry)


def _is_blank(value: Any) -> bool:
    """Whether nobody could see anything of it; looks no further than the first letter that can be seen."""
    if isinstance(value, str):
        return all(each.isspace() or each in _UNSEEN for each in value)
    return value is None
