"""The contract's rules, checked on every request message; broken ones named, content never repeated."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message
from protovalidate import Validator, Violation

from consensus_contract.errors import ConsensusError, FieldViolation
from consensus_rpc.errors import InvalidField, MessageTooLarge

_validator = Validator()

Deserializer = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in for a request that was not read, so that its call can answer why."""

    error: ConsensusError


def tolerant(deserialize: Deserializer, max_bytes: int) -> Deserializer:
    """The same deserializer, giving `Unreadable` where gRPC would answer without details.

    For bytes of another type that would be UNKNOWN with the type's name, for too many of them a bare status.
    """

    def decode(raw: bytes) -> Any:
        if len(raw) > max_bytes:
            return Unreadable(MessageTooLarge(limit_bytes=max_bytes))
        try:
            return deserialize(raw)
        except DecodeError:
            return Unreadable(
                InvalidField(field="", description="the bytes are no message of the request's type")
            )

    return decode


def check_request(request: Message | Unreadable) -> None:
    """Checks one request message against the contract.

    Raises:
        InvalidField: with one violation per broken rule: the field, the limit, and what size was sent.
        MessageTooLarge: where it was not read.
    """
    if isinstance(request, Unreadable):
        raise request.error
    found = _validator.collect_violations(request)
    if found:
        raise InvalidField(violations=[_field_violation(violation) for violation in found])


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
