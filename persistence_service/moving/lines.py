"""The form of an export: a line of JSON each for its head, the tables, their rows, the keys and its end."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from persistence_service.content.repository import StoredKey
from persistence_service.moving.stored_rows import TableSum
from persistence_service.schema.scalars import from_microseconds, microseconds

FORMAT = "consensus-tenant-1"
MAX_LINE_BYTES = 64 * 1024 * 1024
"""A row is one line; the largest that the service stores is far smaller."""


class BadExport(ValueError):  # noqa: N818 - it says what it is
    """The lines are no export, were cut off or changed; says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an export is of."""

    tenant: str
    move_id: str
    revision: str
    freeze_time_us: int
    release_digest: str
    format: str = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How much it was; nothing follows it."""

    counts: Mapping[str, int]
    digests: Mapping[str, str]
    content_digest: str


_HEAD, _END = TypeAdapter(Head), TypeAdapter(End)


def line(kind: str, data: Any) -> str:
    """One line, without its end."""
    return json.dumps({kind: data}, ensure_ascii=True, separators=(",", ":"))


def end_of(sums: Mapping[str, TableSum], digest: bytes) -> End:
    """The end, of the sums of all tables."""
    return End(
        counts={name: each.count for name, each in sums.items()},
        digests={name: each.digest for name, each in sums.items()},
        content_digest=digest.hex(),
    )


def parsed(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """Kind and data of each line.

    Raises:
        BadExport: a line is not of this form.
    """
    for number, raw in enumerate(lines, start=1):
        try:
            ((kind, data),) = json.loads(raw).items()
        except (ValueError, AttributeError):
            raise BadExport(f"line {number} is none of an export") from None
        yield kind, data


def head_from(kind: str, data: Any) -> Head:
    """The head, which comes first.

    Raises:
        BadExport: it is none, or of another form.
    """
    if kind != "head" or not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadExport(f"this is no export of the form {FORMAT}")
    try:
        return _HEAD.validate_python(data)
    except ValidationError:
        raise BadExport("its head is not whole") from None


def end_from(data: Any) -> End:
    """The end.

    Raises:
        BadExport: it is not whole.
    """
    try:
        return _END.validate_python(data)
    except ValidationError:
        raise BadExport("its end is not whole") from None


def key_line(key: StoredKey) -> str:
    """A content key, wrapped as it is stored."""
    data = asdict(key) | {"wrapped": base64.b64encode(key.wrapped).decode()}
    return line("key", {name: _plain(value) for name, value in data.items()})


def key_from(data: Any) -> StoredKey:
    """A content key.

    Raises:
        BadExport: it is none.
    """
    try:
        return StoredKey(
            key_id=data["key_id"],
            wrapped=base64.b64decode(data["wrapped"]),
            wrapping_key_id=data["wrapping_key_id"],
            create_time=from_microseconds(data["create_time"]),
            wrap_time=from_microseconds(data["wrap_time"]),
        )
    except (KeyError, TypeError, ValueError):
        raise BadExport("a content key is not whole") from None


def _plain(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value
