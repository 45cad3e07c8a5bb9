"""Settings in words: what is allowed, the default, and a value with secrets masked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

MASK = "**********"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a type takes, in words; `per_unit` is how many of the kept integers make one of the given unit."""

    text: str
    per_unit: int = 1


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One row of the settings table; `default` is `required` where there is none."""

    name: str
    allowed: str
    default: str
    description: str
    secret: bool


def is_optional(field: FieldInfo) -> bool:
    return NoneType in _plain_types(field.annotation)


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in _plain_types(field.annotation)


def without_secrets(text: str) -> str:
    """An address without what may be secret in it: all before its last `@`, query and fragment.

    Whoever forgets to escape an `@` has a password that looks like a host, a path or a query.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    _, at, place = rest.rpartition("@")
    address, *marks = re.split("([?#])", place, maxsplit=1)
    return scheme + separator + (MASK + at if at else "") + address + (marks[0] + MASK if marks else "")


def shown(value: object, field: FieldInfo) -> str:
    """A value as the environment would spell it; secrets masked, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value, _per_unit(field))
    return without_secrets(str(value)) if "://" in str(value) else str(value)


def default_text(field: FieldInfo) -> str:
    """The default as the environment would spell it, or `required`."""
    if field.is_required():
        return "required"
    return shown(field.get_default(call_default_factory=True, validated_data={}), field)


def allowed_text(field: FieldInfo) -> str:
    """What the field takes, in words, with its bounds."""
    bounds = list(_metadata(field))
    marker = next((item for item in bounds if isinstance(item, Allowed)), None)
    kinds = _plain_types(field.annotation)
    text = marker.text if marker else " or ".join(_kind(kind) for kind in kinds if kind is not NoneType)
    limits = _limits(bounds, marker.per_unit if marker else 1)
    suffix = ", or empty" if NoneType in kinds else ""
    return f"{text}{', ' + limits if limits else ''}{suffix}"


def _per_unit(field: FieldInfo) -> int:
    return next((item.per_unit for item in _metadata(field) if isinstance(item, Allowed)), 1)


def _metadata(field: FieldInfo) -> Iterator[Any]:
    yield from _flat(field.metadata)
    yield from _nested(field.annotation)


def _nested(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _flat(annotation.__metadata__)
    for argument in get_args(annotation):
        yield from _nested(argument)


def _flat(items: Any) -> Iterator[Any]:
    for item in items:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _plain_types(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain_types(annotation.__origin__)
    if origin in (Union, UnionType):
        return [kind for argument in get_args(annotation) for kind in _plain_types(argument)]
    return [annotation]


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(str(value) for value in get_args(kind))
    if kind is SecretStr:
        return "text (secret; or a file named by the same variable with _FILE)"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(str(member.value) for member in kind)
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _limits(bounds: list[Any], per_unit: int) -> str:
    found: dict[str, Any] = {}
    for bound in bounds:
        if isinstance(bound, annotated_types.GroupedMetadata):
            for part in bound:
                found.update(_limit(part))
        else:
            found.update(_limit(bound))
    words = []
    for key, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below")):
        if key in found:
            words.append(f"{word} {_number(found[key], per_unit)}")
    if "min_length" in found or "max_length" in found:
        words.append(f"{found.get('min_length', 0)} to {found.get('max_length', 'any number of')} characters")
    return " ".join(words)


def _limit(bound: Any) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt", "min_length", "max_length")
    return {name: getattr(bound, name) for name in names if getattr(bound, name, None) is not None}


def _number(value: float, per_unit: int) -> str:
    return f"{value / per_unit if per_unit != 1 else value:.12g}"
