"""Messages as they travel: binary ones are passed on unread, JSON is turned into them and back.

What is turned is bounded before that costs anything, and what is not small is turned in a thread: the event
loop goes on meanwhile. There is one such thread, since of several the loop would have to wait for each.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from connectrpc.codec import Codec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from consensus_rpc.errors import InvalidField

MOST_VALUES = 50_000
MOST_LEVELS = 32
"""As much as the services take: see docs/errors.md."""

# Turned in a few milliseconds, however many values they hold.
_SMALL_BYTES = 4096
_TURNING = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turning")
_MOST_CHARACTERS = 300


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Packed:
    """A message in one of the forms that travel: `proto` or `json`."""

    form: str
    data: bytes


class PackedCodec(Codec[Packed, Packed]):
    """A codec of connectrpc that leaves messages packed: who serves them knows their type."""

    def __init__(self, form: str) -> None:
        self._form = form

    def name(self) -> str:
        """The form, as content types name it."""
        return self._form

    def encode(self, message: Packed) -> bytes:
        return message.data

    def decode(self, data: bytes | bytearray, message_class: type[Packed]) -> Packed:
        return message_class(self._form, bytes(data))


CODECS = (PackedCodec("proto"), PackedCodec("json"))


async def turned(size: int, turn: Callable[..., Result], *arguments: Any) -> Result:
    """What `turn` makes of so many bytes: at once where they are few, else in its turn in the thread."""
    if size <= _SMALL_BYTES:
        return turn(*arguments)
    return await asyncio.get_running_loop().run_in_executor(_TURNING, turn, *arguments)


async def to_binary(packed: Packed, kind: type[Message]) -> bytes:
    """The message's bytes, for the service.

    Raises:
        InvalidField: it is JSON that is no such message, or too deep or wide.
    """
    if packed.form == "proto":
        return packed.data
    message: Message = await read_json(packed.data, kind, ignore_unknown=True)
    return message.SerializeToString()


async def from_binary(raw: bytes, form: str, kind: type[Message]) -> Packed:
    """What the service answered, in the caller's form."""
    if form == "proto":
        return Packed(form, raw)
    return Packed(form, await turned(len(raw), _json_of, raw, kind))


async def read_json(data: bytes, kind: type[Message], *, ignore_unknown: bool) -> Any:
    """The message that JSON says; nothing at all says an empty one.

    Raises:
        InvalidField: it is none, has fields that there are not (unless ignored), or is too deep or wide.
    """
    return await turned(len(data), _read, data, kind, ignore_unknown)


def _read(data: bytes, kind: type[Message], ignore_unknown: bool) -> Message:
    message = kind()
    if not data.strip():
        return message
    try:
        told = orjson.loads(data)
    except ValueError as error:
        raise InvalidField(field="body", description=f"is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise InvalidField(field="body", description="must be a JSON object")
    _check_size(told)
    try:
        json_format.Parse(data, message, ignore_unknown_fields=ignore_unknown)
    except (json_format.ParseError, ValueError, DecodeError) as error:
        said = str(error).partition("\n")[0][:_MOST_CHARACTERS]
        raise InvalidField(field="body", description=said) from None
    return message


def _check_size(told: Any) -> None:
    """Counts values level by level, and stops where there are too many of either."""
    level, left = [told], MOST_VALUES
    for _ in range(MOST_LEVELS):
        left -= len(level)
        if left < 0:
            raise InvalidField(field="body", description=f"has more than {MOST_VALUES} values")
        level = [each for value in level for each in _within(value)]
        if not level:
            return
    if any(isinstance(each, dict | list) for each in level):
        raise InvalidField(field="body", description=f"is deeper than {MOST_LEVELS} levels")


def _within(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())


def _json_of(raw: bytes, kind: type[Message]) -> bytes:
    return json_format.MessageToJson(kind.FromString(raw), indent=None).encode()
