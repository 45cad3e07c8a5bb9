"""How many bytes a method's request may have: twice the largest that the contract's rules let pass."""

import re
from re import _parser  # type: ignore[attr-defined]  # the parser has no public name

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from consensus_rpc.server.shapes import STRUCT

_LARGEST_JSON = 360_000
"""Bytes of the largest JSON that a rule lets pass: 65,536 characters `[0,0,…]` are 32,768 numbers of 11."""

_NUMBER_BYTES = 10
_UTF8_BYTES = 4
_ROOM_FOR_NEWER = 1024
"""Fields that a newer client sends beside those that are known."""


def byte_cap(descriptor: Descriptor, ceiling: int) -> int:
    """Bytes that a request of this type may have; `ceiling` where the rules name none, or a larger one."""
    largest = _largest(descriptor, ())
    return ceiling if largest is None else min(ceiling, 2 * largest + _ROOM_FOR_NEWER)


def _largest(descriptor: Descriptor, within: tuple[str, ...]) -> int | None:
    """Bytes of the largest valid message; None when nothing bounds it."""
    name = descriptor.full_name
    if name == STRUCT:
        return _LARGEST_JSON
    if name in within:
        return None
    total, choices = 0, dict[str, int]()
    for field in descriptor.fields:
        size = _field_bytes(field, (*within, name))
        if size is None:
            return None
        choice = field.containing_oneof
        if choice is None:
            total += size
        else:
            choices[choice.name] = max(choices.get(choice.name, 0), size)
    return total + sum(choices.values())


def _field_bytes(field: FieldDescriptor, within: tuple[str, ...]) -> int | None:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    of_one = rules.repeated.items if field.is_repeated and not is_map else rules
    one = _largest(field.message_type, within) if field.message_type else _scalar_bytes(field, of_one)
    if one is None:
        return None
    one += 3 + _varint_bytes(one)
    if not field.is_repeated:
        return one
    count = rules.map.max_pairs if is_map else rules.repeated.max_items
    return one * count if count else None


def _scalar_bytes(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> int | None:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_bytes(rules.string)
    if field.type == FieldDescriptor.TYPE_BYTES:
        bounds = [getattr(rules.bytes, name) for name in ("len", "max_len") if rules.bytes.HasField(name)]
        return min(bounds, default=None)
    return _NUMBER_BYTES


def _text_bytes(rules: validate_pb2.StringRules) -> int | None:
    bounds = [_UTF8_BYTES * getattr(rules, name) for name in ("len", "max_len") if rules.HasField(name)]
    if rules.HasField("max_bytes"):
        bounds.append(rules.max_bytes)
    if rules.HasField("pattern"):
        bounds.append(_UTF8_BYTES * _widest(rules.pattern))
    bounds = [each for each in bounds if each < _UTF8_BYTES * _ENDLESS]
    return min(bounds, default=None)


_ENDLESS = 1_000_000


def _widest(pattern: str) -> int:
    """Characters of the longest text that a pattern matches; of an unanchored one there is none."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return _ENDLESS
    try:
        return int(_parser.parse(pattern).getwidth()[1])
    except re.error:  # a form that only the contract's engine knows
        return _ENDLESS


def _varint_bytes(number: int) -> int:
    return max(1, (number.bit_length() + 6) // 7)
