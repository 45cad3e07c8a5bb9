"""The values that JSON data of a policy is made of, each read from its place. Pure."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from consensus_contract.errors import FieldViolation
from consensus_decision.labels import NAMED, Label

_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DECIMAL = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?")
_MAX_INTEGER = 10**18

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)


class PolicyRefusedError(ValueError):
    """The policy cannot be one; `violations` say why, each with the path of its field."""

    def __init__(self, violations: list[FieldViolation]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.description}" for each in violations))
        self.violations = tuple(violations)


Reader = Callable[[str, object], Value]
"""Takes the path of a field and what stands there."""


def refuse(path: str, description: str) -> PolicyRefusedError:
    """A refusal of one value."""
    return PolicyRefusedError([FieldViolation(path, description)])


def below(path: str, name: str) -> str:
    """The path of a field, of which no name is longer than an id: a longer one is no field's, and is cut."""
    return f"{path}.{name:.63}" if path else f"{name:.63}"


def _told(value: object) -> str:
    """What was sent, for people: of lists and objects no more than that, however wide and deep they are."""
    if isinstance(value, (list, tuple)):
        return "a list"
    return "an object" if isinstance(value, Mapping) else f"{value!r:.40}"


class Fields:
    """The fields of an object, taken one by one; `end` refuses what nobody took."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise refuse(path or "policy", "must be an object")
        self._path, self._left = path, dict(value)

    def get(self, name: str, read: Callable[[str, object], Value], default: Value) -> Value:
        """What is left out has the default."""
        return read(self._at(name), self._left.pop(name)) if name in self._left else default

    def switch(self, name: str, read: Callable[[str, object], Value], default: Value | None) -> Value | None:
        """As `get`, but null switches it off."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return read(self._at(name), self._left.pop(name)) if name in self._left else default

    def need(self, name: str, read: Callable[[str, object], Value]) -> Value:
        """What must not be left out."""
        if name not in self._left:
            raise refuse(self._at(name), "is missing")
        return read(self._at(name), self._left.pop(name))

    def end(self) -> None:
        """Refuses what is left."""
        if self._left:
            raise refuse(self._at(min(map(str, self._left))), "is not a field of a policy")

    def _at(self, name: str) -> str:
        return below(self._path, name)


def decimal_at(path: str, value: object) -> Decimal:
    """A decimal, written as text."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise refuse(path, f'must be a decimal as text, such as "0.25"; {_told(value)} was sent')
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise refuse(path, "is not a decimal") from error


def boolean_at(path: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refuse(path, f"must be true or false; {_told(value)} was sent")
    return value


def integer_at(path: str, value: object) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(path, f"must be a whole number; {_told(value)} was sent")
    if abs(value) > _MAX_INTEGER:
        raise refuse(path, f"must be no further from 0 than {_MAX_INTEGER}")
    return value


def text_at(path: str, value: object) -> str:
    """Text."""
    if not isinstance(value, str):
        raise refuse(path, f"must be text; {_told(value)} was sent")
    return value


def persona_id_at(path: str, value: object) -> str:
    """The id of a persona."""
    if not _ID.fullmatch(text_at(path, value)):
        raise refuse(path, f"must be the id of a persona; {_told(value)} was sent")
    return str(value)


def choice_of(kind: type[Choice]) -> Callable[[str, object], Choice]:
    """Reads one of these words."""

    def read(path: str, value: object) -> Choice:
        if value not in list(kind):
            raise refuse(path, f"must be one of {', '.join(kind)}; {_told(value)} was sent")
        return kind(str(value))

    return read


def label_at(path: str, value: object) -> Label:
    """The name of a label."""
    if not isinstance(value, str) or value not in NAMED:
        raise refuse(path, f"must be one of {', '.join(NAMED)}; {_told(value)} was sent")
    return NAMED[value]


def list_of(read_one: Callable[[str, object], Value]) -> Callable[[str, object], tuple[Value, ...]]:
    """Reads a list of such values."""

    def read(path: str, value: object) -> tuple[Value, ...]:
        if not isinstance(value, (list, tuple)):
            raise refuse(path, "must be a list")
        return tuple(read_one(f"{path}[{index}]", each) for index, each in enumerate(value))

    return read


def by_persona(read_one: Callable[[str, object], Value]) -> Callable[[str, object], Mapping[str, Value]]:
    """Reads an object of such values by persona id."""

    def read(path: str, value: object) -> Mapping[str, Value]:
        if not isinstance(value, Mapping):
            raise refuse(path, "must be an object by persona id")
        return MappingProxyType(
            {
                persona_id_at(below(path, key), key): read_one(below(path, key), each)
                for key, each in value.items()
            }
        )

    return read
