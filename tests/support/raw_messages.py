"""Requests as bytes, in shapes that a client library would take longer to build than a server to refuse."""

from typing import Any

from consensus.v1 import review_service_pb2

Start = review_service_pb2.StartReviewRequest


def start(values: Any) -> bytes:
    """A start whose context holds these values."""
    request = Start()
    request.review.idea = "A rota for two wards."
    request.review.context.object.update({"a": values})
    return request.SerializeToString()


def wide(count: int) -> bytes:
    """A context with a list of so many booleans."""
    return in_context(tagged(6, tagged(1, b"\x20\x01") * count))


def deep(levels: int, *, lists: bool = False) -> bytes:
    """Objects, or lists, inside one another; the context is the first."""
    value = b"\x20\x01"
    for _ in range(levels - 1):
        inner = tagged(1, value) if lists else tagged(1, tagged(1, b"a") + tagged(2, value))
        value = tagged(6 if lists else 5, inner)
    return in_context(value)


def in_context(value: bytes) -> bytes:
    """A start whose context holds this value, as bytes."""
    struct = tagged(1, tagged(1, b"a") + tagged(2, value))
    return tagged(1, tagged(1, b"An idea.") + tagged(2, tagged(2, struct)))


def tagged(number: int, raw: bytes) -> bytes:
    """A field of bytes, with its tag and its length."""
    size, length = len(raw), bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes([*length, size]) + raw
