"""The contract's rules, checked on every request message; broken ones named, content never repeated."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator, Violation

from consensus_contract.errors import FieldViolation
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.long_lists import long_lists
from consensus_rpc.server.shapes import STRUCT, shape_of
from consensus_rpc.server.times import time_violations

_validator = Validator()
# An engine knows types by their names, and two of one name must not meet in it.
_view_validator = Validator()

# More than an answer has room for; a request of a thousand parts can break two rules in each.
_MOST_VIOLATIONS = 50


def check_request(request: Message, *, seen_by_rules: Message | None = None) -> None:
    """Checks one request message against the contract.

    `seen_by_rules` stands in for it where the rules are: see `RuleView`.

    Raises:
        InvalidField: with one violation per broken rule: the field, the limit, and what size was sent.
    """
    shape = shape_of(request.DESCRIPTOR)  # type: ignore[arg-type]  # either kind serves
    # Rules visit all entries of lists, compare times, and say them: what is too long or no time comes first.
    violations = long_lists(request, shape) or time_violations(request, shape)
    if not violations:
        violations = [_field_violation(each) for each in _broken(request, seen_by_rules)[:_MOST_VIOLATIONS]]
    if violations:
        raise InvalidField(violations=violations)


def _broken(request: Message, seen_by_rules: Message | None) -> list[Violation]:
    if seen_by_rules is None:
        return _validator.collect_violations(request)
    return _view_validator.collect_violations(seen_by_rules)


_views = DescriptorPool()
_added: set[str] = set()


class RuleView:
    """A message type as the rules see it: JSON is bytes that nobody opens.

    No rule of the contract looks into JSON, and the engine visits every value of it all the same. On the
    wire both are the same.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        _add(descriptor.file)
        self._type = GetMessageClass(_views.FindMessageTypeByName(descriptor.full_name))

    def parse(self, raw: bytes) -> Message:
        """Raises DecodeError."""
        return self._type.FromString(raw)


def _add(file: FileDescriptor) -> None:
    if file.name in _added:
        return
    _added.add(file.name)
    for each in file.dependencies:
        _add(each)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _close_json(message)
    _views.Add(proto)


def _close_json(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type_name == f".{STRUCT}":
            field.type = FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    for inner in message.nested_type:
        _close_json(inner)


def _field_violation(violation: Violation) -> FieldViolation:
    proto = violation.proto
    path = _path(proto.field.elements) if proto.field is not None else ""
    return FieldViolation(path, proto.message + _sent(violation.field_value), proto.rule_id)


def _path(elements: Iterable[Any]) -> str:
    """`a.b[0]["key"]`, as the contract names fields."""
    path = ""
    for element in elements:
        path += f".{element.field_name}" if path else element.field_name
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            path += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    return path


def _sent(value: object) -> str:
    """What was sent: sizes of texts, bytes and lists, values of numbers; never content."""
    if isinstance(value, str):
        return f"; {len(value)} characters sent"
    if isinstance(value, bytes):
        return f"; {len(value)} bytes sent"
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return f"; {value} sent"
    if isinstance(value, Message):
        return _message_sent(value)
    if hasattr(value, "__len__"):
        return f"; {len(value)} items sent"
    return ""


def _message_sent(value: Message) -> str:
    if value.DESCRIPTOR.full_name == "google.protobuf.Duration":
        return f"; {value.ToJsonString()} sent"  # type: ignore[attr-defined]  # a Duration, by its name
    return ""
