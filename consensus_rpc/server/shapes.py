"""What a message type is made of, looked up once: where it holds JSON, lists, instants and spans."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2

STRUCT = "google.protobuf.Struct"
TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"

_LEVELS = frozenset({STRUCT, "google.protobuf.ListValue"})
_TIMES = frozenset({TIMESTAMP, DURATION})
_JSON = _LEVELS | {"google.protobuf.Value", "google.protobuf.Struct.FieldsEntry"}


@dataclass(slots=True, eq=False)
class MessageShape:
    """A message type with the types of the messages in its fields, by number and wire type."""

    type_name: str
    is_json: bool
    """Whether it is JSON or a part of it."""
    is_level: bool
    """Whether it is an object or a list: one more level of nesting."""
    inner: dict[int, tuple[str, "MessageShape"]] = field(default_factory=dict)
    """Fields that hold messages: number to name and shape."""
    with_json: dict[int, tuple[str, "MessageShape"]] = field(default_factory=dict)
    """Those of them that hold JSON, or hold what does."""
    times: tuple[tuple[str, bool, "MessageShape"], ...] = ()
    """Those of them that hold an instant or a span, or hold what does: name, whether repeated, shape."""
    lists: tuple[tuple[str, int | None, "MessageShape | None"], ...] = ()
    """Lists with a bound, and messages that hold such: name, most entries, shape of what holds more."""


_shapes: dict[str, MessageShape] = {}


def shape_of(descriptor: Descriptor) -> MessageShape:
    """The shape of a message type; types may hold one another."""
    known = _shapes.get(descriptor.full_name)
    if known is not None:
        return known
    name = descriptor.full_name
    shape = _shapes[name] = MessageShape(name, is_json=name in _JSON, is_level=name in _LEVELS)
    holders = list(_message_fields(descriptor))
    shape.inner = {each.number: (each.name, shape_of(held)) for each, held in holders}
    shape.with_json = {
        each.number: shape.inner[each.number] for each, held in holders if _holds(held, _JSON, set())
    }
    shape.times = tuple(
        (each.name, each.is_repeated, shape.inner[each.number][1])
        for each, held in holders
        if _holds(held, _TIMES, set())
    )
    shape.lists = tuple(_lists(descriptor, shape))
    return shape


def _lists(
    descriptor: Descriptor, shape: MessageShape
) -> Iterator[tuple[str, int | None, MessageShape | None]]:
    for each in descriptor.fields:
        most = _most_entries(each)
        held = each.message_type
        inner = shape.inner[each.number][1] if held is not None and _holds_lists(held, set()) else None
        if most is not None or (inner is not None and not each.is_repeated):
            yield each.name, most, inner


def _most_entries(field: FieldDescriptor) -> int | None:
    return field.GetOptions().Extensions[validate_pb2.field].repeated.max_items or None


def _holds_lists(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    if any(_most_entries(each) is not None for each in descriptor.fields):
        return True
    return any(_holds_lists(held, seen) for _, held in _message_fields(descriptor))


def _message_fields(descriptor: Descriptor) -> Iterator[tuple[FieldDescriptor, Descriptor]]:
    for each in descriptor.fields:
        if each.message_type is not None:
            yield each, each.message_type


def _holds(descriptor: Descriptor, wanted: frozenset[str], seen: set[str]) -> bool:
    if descriptor.full_name in wanted:
        return True
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(_holds(held, wanted, seen) for _, held in _message_fields(descriptor))
