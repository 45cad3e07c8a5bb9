"""A request from its bytes: bounded before they are parsed, then checked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from google.protobuf.message import DecodeError

from consensus_contract.errors import FieldViolation
from consensus_rpc.errors import InvalidField, MessageTooLarge
from consensus_rpc.server.byte_caps import byte_cap
from consensus_rpc.server.character_limits import CharacterLimit
from consensus_rpc.server.shapes import shape_of
from consensus_rpc.server.survey import survey, unreadable
from consensus_rpc.server.validation import RuleView, check_request

Deserializer = Callable[[bytes], Any]


class RequestReader:
    """Reads the requests of one method.

    `parse` is a message type's `FromString`; `max_bytes` bounds what the contract does not.
    `character_limits` are those in force, by field: a text beyond the contract's own is told the lower one.
    """

    __slots__ = ("_cap", "_limits", "_parse", "_shape", "_view")

    def __init__(
        self,
        parse: Deserializer,
        *,
        max_bytes: int,
        character_limits: Mapping[str, CharacterLimit] = MappingProxyType({}),
    ) -> None:
        descriptor = parse.__self__.DESCRIPTOR  # type: ignore[attr-defined]  # bound to its class
        self._parse = parse
        self._limits = character_limits
        self._cap = byte_cap(descriptor, max_bytes)
        self._shape = shape_of(descriptor)
        self._view = RuleView(descriptor) if self._shape.with_json else None

    def read(self, raw: bytes) -> Any:
        """The message, parsed and checked.

        Raises:
            MessageTooLarge: more bytes than any message within the rules has, twice over.
            InvalidField: no message of the type, or one that breaks a rule.
        """
        if len(raw) > self._cap:
            raise MessageTooLarge(limit_bytes=self._cap)
        has_json = survey(raw, self._shape)
        try:
            request = self._parse(raw)
            seen = self._view.parse(raw) if has_json and self._view is not None else None
        except DecodeError:
            raise unreadable() from None
        try:
            check_request(request, seen_by_rules=seen)
        except InvalidField as error:
            raise InvalidField(violations=[self._in_force(each) for each in error.field_violations]) from None
        return request

    def _in_force(self, violation: FieldViolation) -> FieldViolation:
        """The violation with the limit that it would break next, once it keeps the contract's."""
        limit = self._limits.get(violation.field)
        if limit is None or violation.reason != "string.max_len":
            return violation
        _, _, sent = violation.description.partition("; ")
        return replace(violation, description=limit.told(sent))
