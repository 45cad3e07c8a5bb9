"""What plain HTTP says in its query and headers, as the contract's words. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from consensus.v1 import review_service_pb2
from consensus_contract.errors import FieldViolation
from consensus_rpc.errors import InvalidField

Query = Mapping[str, str]

LIST_PARAMETERS: Mapping[str, str] = {
    "state": "QUEUED, RUNNING, COMPLETED, FAILED or CANCELLED; any.",
    "type": "INITIAL or REVISION; any.",
    "decision": "APPROVE, REVISE or REJECT: the label of the panel's decision; any.",
    "min_confidence": "The least confidence of the decision, 0 to 1; any.",
    "user": "Started for exactly this user; anybody.",
    "parent_run_id": "That revise this run; any.",
    "create_time_from": "Created then or later, such as 2026-01-31T12:00:00Z; any.",
    "create_time_to": "Created then or earlier; any.",
    "page_size": "How many at most, 1 to 100; 30.",
    "page_token": "`nextPageToken` of the page before, with the same filter; the first.",
    "show_deleted": "`true` shows deleted runs too; `false`.",
}
"""Each with what it means and, behind the semicolon, what holds without it."""

_ENUMS = {"state": "RUN_STATE_", "type": "RUN_TYPE_", "decision": "DECISION_LABEL_"}
_BESIDE_THE_FILTER = frozenset({"page_size", "page_token", "show_deleted"})
_PREFERENCE = re.compile(r"(respond-async|wait)(?:=\"?([0-9]{1,6})\"?)?")
_SEQUENCE = re.compile(r"[0-9]{1,9}")
_MOST_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Preference:
    """What `Prefer` (RFC 7240) asks for: an answer at once, or after so many seconds at the latest."""

    is_async: bool = False
    wait_seconds: float | None = None

    @classmethod
    def of(cls, header: str) -> "Preference":
        """Preferences that are not known are passed over, as the RFC wants it."""
        is_async, wait = False, None
        for part in header.lower().split(","):
            found = _PREFERENCE.fullmatch(part.strip())
            if found is None:
                continue
            if found[1] == "respond-async":
                is_async = True
            elif found[2]:
                wait = float(found[2])
        return cls(is_async and wait is None, wait)


def idempotency_key(headers: Query) -> str:
    """What `Idempotency-Key` says, without the quotes that its draft standard puts around it; empty without.

    Raises:
        InvalidField: it is longer than 255 printable ASCII characters, or holds others.
    """
    given = headers.get("idempotency-key", "")
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if len(key) > _MOST_KEY_CHARACTERS or not all(" " <= each <= "~" for each in key):
        raise InvalidField(field="Idempotency-Key", description="1 to 255 printable ASCII characters")
    return key


def after_sequence(headers: Query, query: Query) -> int:
    """Where a stream of events goes on: `Last-Event-ID`, else `after_sequence` of the query, else the first.

    Raises:
        InvalidField: it is no sequence.
    """
    given = headers.get("last-event-id") or query.get("after_sequence") or "0"
    if _SEQUENCE.fullmatch(given) is None:
        raise InvalidField(field="Last-Event-ID", description="is no sequence of an event")
    return int(given)


def list_request(query: Query) -> review_service_pb2.ListRunsRequest:
    """Which runs are asked for.

    Raises:
        InvalidField: a parameter that there is not, or a value that it cannot have.
    """
    unknown = sorted(set(query) - set(LIST_PARAMETERS))
    if unknown:
        raise InvalidField(
            violations=[FieldViolation(each[:100], "there is no such parameter") for each in unknown[:10]]
        )
    request = review_service_pb2.ListRunsRequest()
    for name, value in query.items():
        target: Any = request if name in _BESIDE_THE_FILTER else request.filter
        _set(target, name, value)
    return request


def show_deleted(query: Query) -> bool:
    """Whether a deleted run is shown too.

    Raises:
        InvalidField: another parameter, or another value than `true` and `false`.
    """
    for name, value in query.items():
        if name != "show_deleted" or value not in {"true", "false"}:
            raise InvalidField(field=name[:100], description="there is no such parameter, or value of it")
    return query.get("show_deleted") == "true"


def _set(target: Any, name: str, value: str) -> None:
    prefix = _ENUMS.get(name)
    told: Any = value if prefix is None else prefix + value.upper().removeprefix(prefix)
    if name == "show_deleted":
        told = {"true": True, "false": False}.get(value, value)
    try:
        json_format.ParseDict({name: told}, target)
    except (json_format.ParseError, ValueError):
        raise InvalidField(field=name, description="cannot have this value") from None
