"""A request's bytes looked over before they are parsed: how many messages, and how deep its JSON goes.

A parser makes an object of every two bytes, and the rules visit each. This walk skips texts and numbers,
makes nothing, and stops at the first bound that is broken.
"""

from consensus_rpc.errors import InvalidField
from consensus_rpc.server.shapes import MessageShape

MAX_MESSAGES = 50_000
"""Messages in one request, values of JSON included; 25,000 numbers are the most that a context holds."""

MAX_LEVELS = 32
"""Objects and lists inside one another. What holds the deepest is within protobuf's 100 messages."""

_SMALL_BYTES = 64 * 1024
"""What is smaller holds too little to be counted; only its JSON is looked at."""

_Path = tuple["_Path | None", str]
_Open = tuple[int, int, MessageShape, int, "_Path | None"]


def survey(raw: bytes, shape: MessageShape) -> bool:
    """Whether the bytes hold JSON.

    Raises:
        InvalidField: too many messages, JSON that nests too deep, or no message at all.
    """
    is_small = len(raw) <= _SMALL_BYTES
    if is_small and not shape.with_json:
        return False
    try:
        return _walk(raw, shape, is_small=is_small)
    except IndexError:
        raise unreadable() from None


def unreadable() -> InvalidField:
    """Bytes of another type, or of none."""
    return InvalidField(field="", description="the bytes are no message of the request's type")


def _walk(raw: bytes, shape: MessageShape, *, is_small: bool) -> bool:  # noqa: C901 - one loop, for speed
    count, has_json = 0, False
    still_open: list[_Open] = [(0, len(raw), shape, 0, None)]
    while still_open:
        at, end, shape, level, path = still_open.pop()
        fields = shape.with_json if is_small else shape.inner
        while at < end:
            tag = raw[at]
            at += 1
            if tag >= 0x80:
                tag, at = _varint(raw, tag, at)
            kind = tag & 7
            if kind == 2:
                size = raw[at]
                at += 1
                if size >= 0x80:
                    size, at = _varint(raw, size, at)
                found = fields.get(tag >> 3)
                if found is not None:
                    name, inner = found
                    count += 1
                    if count > MAX_MESSAGES:
                        raise InvalidField(field=_text(path), description=_TOO_MANY)
                    inner_path: _Path | None = path if shape.is_json else (path, name)
                    has_json = has_json or inner.is_json
                    if level + inner.is_level > MAX_LEVELS:
                        raise InvalidField(field=_text(inner_path), description=_TOO_DEEP)
                    if inner.inner and not _is_scalar(raw, at, size):
                        still_open.append((at, at + size, inner, level + inner.is_level, inner_path))
                at += size
            elif kind == 0:
                while raw[at] >= 0x80:
                    at += 1
                at += 1
            elif kind == 1:
                at += 8
            elif kind == 5:
                at += 4
            else:  # a group, which this language has not
                raise unreadable()
        if at > end:
            raise unreadable()
    return has_json


def _is_scalar(raw: bytes, at: int, size: int) -> bool:
    """Whether a message is one number or truth value and no more, as most values of large JSON are."""
    if size == 9:
        return raw[at] & 7 == 1
    return size == 2 and raw[at] & 7 == 0 and raw[at] < 0x80 and raw[at + 1] < 0x80


def _varint(raw: bytes, first: int, at: int) -> tuple[int, int]:
    """The number that begins with `first`, and where it ends."""
    number, shift = first & 0x7F, 7
    while True:
        byte = raw[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise unreadable()


_TOO_MANY = f"at most {MAX_MESSAGES} values and parts in one request"
_TOO_DEEP = f"at most {MAX_LEVELS} levels of objects and lists"


def _text(path: "_Path | None") -> str:
    names: list[str] = []
    while path is not None:
        path, name = path
        names.append(name)
    return ".".join(reversed(names))
