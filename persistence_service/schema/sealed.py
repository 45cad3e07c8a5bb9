"""Columns that hold content: as it is, or sealed where the operator gave a key.

Which of both, each value says. A sealed one begins with a control character that no text of the contract may
hold; the few plain values that begin with it too (a model's raw output may) are marked as plain. So values of
both kinds stand beside one another, and turning encryption on needs no rewriting.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from consensus_contract.errors import DatabaseError
from persistence_service.schema.base import Json

__all__ = [
    "UNOPENED",
    "ContentColumn",
    "SealedBytes",
    "SealedJson",
    "SealedText",
    "Sealer",
    "unopened_is_told",
    "use_sealer",
]

_MARK = "\x01"
_SEALED, _PLAIN = f"{_MARK}s", f"{_MARK}p"
_SEALED_BYTES = _SEALED.encode()


class Sealer(Protocol):
    """Encrypts content and decrypts it again."""

    @property
    def seals(self) -> bool:
        """Whether what is written from now on is to be sealed."""
        ...

    def seal(self, plain: bytes, column: str) -> str:
        """The value sealed, as ASCII text; only as a value of `column` does it open again."""
        ...

    def open(self, sealed: str, column: str) -> bytes:
        """What was sealed."""
        ...


UNOPENED: Final = object()
"""What is read in place of a sealed value that does not open, where that is to be told and not raised."""

_IS_TOLD = ContextVar("unopened_is_told", default=False)


@contextmanager
def unopened_is_told() -> Iterator[None]:
    """Meanwhile a sealed value that does not open is read as UNOPENED: who audits goes on with the rest."""
    token = _IS_TOLD.set(True)
    try:
        yield
    finally:
        _IS_TOLD.reset(token)


_SEALERS: MutableMapping[Dialect, Sealer] = WeakKeyDictionary()


def use_sealer(dialect: Dialect, sealer: Sealer) -> None:
    """From now on the columns of an engine's connections seal and open with it; an engine has one dialect."""
    _SEALERS[dialect] = sealer


class ContentColumn(TypeDecorator[Any]):
    """A column of content; `name` is table and column, to which a sealed value is bound."""

    cache_ok = True
    impl: Any = Text

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """What the driver gets."""
        if value is None:
            return None
        sealer = _SEALERS.get(dialect)
        if sealer is None or not sealer.seals:
            return self.marked(value)
        return self.sealed_form(sealer.seal(self.plain_bytes(value), self.name))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """What the caller gets; within `unopened_is_told`, perhaps UNOPENED.

        Raises:
            DatabaseError: it is sealed, and its key is not here, or it was changed.
        """
        sealed = self.sealed_text(value)
        if sealed is None:
            return self.unmarked(value)
        try:
            return self.value_of(_SEALERS[dialect].open(sealed, self.name))
        except DatabaseError:
            if _IS_TOLD.get():
                return UNOPENED
            raise

    def marked(self, value: Any) -> Any:
        """A plain value as it is stored."""
        return value

    def unmarked(self, value: Any) -> Any:
        """The plain value that was stored."""
        return value

    def sealed_form(self, sealed: str) -> Any:
        """A sealed value as it is stored."""
        return f"{_SEALED}{sealed}"

    def sealed_text(self, stored: Any) -> str | None:
        """The sealed text in what is stored; None: it is plain."""
        is_sealed = isinstance(stored, str) and stored.startswith(_SEALED)
        return stored[len(_SEALED) :] if is_sealed else None

    def plain_bytes(self, value: Any) -> bytes:
        """The bytes to seal."""
        raise NotImplementedError

    def value_of(self, plain: bytes) -> Any:
        """The value of the bytes that were sealed."""
        raise NotImplementedError


class SealedText(ContentColumn):
    """Text."""

    cache_ok = True

    def marked(self, value: str) -> str:
        """Marked as plain where it would look like something else."""
        return f"{_PLAIN}{value}" if value.startswith(_MARK) else value

    def unmarked(self, value: str | None) -> str | None:
        """Without that mark."""
        return value[len(_PLAIN) :] if value is not None and value.startswith(_PLAIN) else value

    def plain_bytes(self, value: str) -> bytes:
        """In UTF-8."""
        return value.encode()

    def value_of(self, plain: bytes) -> str:
        """Of UTF-8."""
        return plain.decode()


class SealedJson(ContentColumn):
    """A list or an object as JSON data; sealed it is a JSON string, which none of them is."""

    cache_ok = True

    impl = Json

    def plain_bytes(self, value: Any) -> bytes:
        """As JSON text."""
        return orjson.dumps(value)

    def value_of(self, plain: bytes) -> Any:
        """Of JSON text."""
        return orjson.loads(plain)


class SealedBytes(ContentColumn):
    """A serialised message; none begins with the mark, which would be a field of number 0."""

    cache_ok = True

    impl = LargeBinary

    def sealed_form(self, sealed: str) -> bytes:
        """A sealed value as it is stored."""
        return _SEALED_BYTES + sealed.encode()

    def sealed_text(self, stored: Any) -> str | None:
        """The sealed text in what is stored; None: it is plain."""
        raw = None if stored is None else bytes(stored)
        is_sealed = raw is not None and raw.startswith(_SEALED_BYTES)
        return raw[len(_SEALED_BYTES) :].decode("ascii", "replace") if raw is not None and is_sealed else None

    def plain_bytes(self, value: bytes) -> bytes:
        """As they are."""
        return value

    def value_of(self, plain: bytes) -> bytes:
        """As they are."""
        return plain
