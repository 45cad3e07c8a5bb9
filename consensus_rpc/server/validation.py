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
from consensus_rpc.server.shapes import STRUCT, shape_of
from consensus_rpc.server.times import time_violations

_validator = Validator()


def check_request(request: Any, *, seen_by_rules: Message | None = None) -> None:
    """Checks one request message against the contract.

    `seen_by_rules` stands in for it where the rules are: see `RuleView`.

    Raises:
        InvalidField: with one violation per broken rule: the field, the limit, and what size was sent.
    """
    found = _validator.collect_violations(request if seen_by_rules is None else seen_by_rules)
    violations = [_field_violation(violation) for violation in found]
    violations += time_violations(request, shape_of(request.DESCRIPTOR))
    if violations:
        raise InvalidField(violations=violations)


class RuleView:
    """A message type as the rules see it: JSON is bytes that nobody opens.

    No rule of the contract looks into JSON, and the engine visits every value of it all the same. On the
    wire both are the same.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        """Makes the type, with a pool of its own."""
        pool = DescriptorPool()
        _add(pool, descriptor.file, set())
        self._type = GetMessageClass(pool.FindMessageTypeByName(descriptor.full_name))

    def parse(self, raw: bytes) -> Message:
        """Raises DecodeError."""
        return self._type.FromString(raw)


def _add(pool: DescriptorPool, file: FileDescriptor, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for each in file.dependencies:
        _add(pool, each, added)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _close_json(message)
    pool.Add(proto)


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
