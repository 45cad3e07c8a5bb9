"""A request from its bytes: bounded before they are parsed, then checked."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from consensus_rpc.errors import MessageTooLarge
from consensus_rpc.server.byte_caps import byte_cap
from consensus_rpc.server.shapes import shape_of
from consensus_rpc.server.survey import survey, unreadable
from consensus_rpc.server.validation import RuleView, check_request

Deserializer = Callable[[bytes], Any]


class RequestReader:
    """Reads the requests of one method.

    `parse` is a message type's `FromString`; `max_bytes` bounds what the contract does not.
    """

    __slots__ = ("_cap", "_parse", "_shape", "_view")

    def __init__(self, parse: Deserializer, *, max_bytes: int) -> None:
        descriptor = parse.__self__.DESCRIPTOR  # type: ignore[attr-defined]  # bound to its class
        self._parse = parse
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
        check_request(request, seen_by_rules=seen)
        return request
