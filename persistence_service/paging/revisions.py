"""Positions within lists of what is kept in revisions and has one entry built in: by id, or of one newest
first. Pure.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from persistence_service.schema.scalars import from_microseconds, from_timestamp, microseconds


class Revision(Protocol):
    """A message that tells of a revision."""

    @property
    def create_time(self) -> Timestamp:
        """When it was put."""
        ...

    @property
    def revision(self) -> str:
        """Its digest."""
        ...


def revision_position(last: Revision) -> list[Any]:
    """Where a page of revisions ends with this one."""
    return [microseconds(from_timestamp(last.create_time, "create_time")), last.revision]


def after_revision(position: Sequence[Any] | None) -> tuple[datetime, str] | None:
    """The revision, as its columns tell of it, after which the next page begins; None for the first."""
    return None if position is None else (from_microseconds(position[0]), str(position[1]))


def after_id(position: Sequence[Any] | None, built_in: str) -> str | None:
    """The id after which the next page begins; None for the first, and after the built-in entry, which stands
    before all others whatever its name.
    """
    return None if position is None or position[0] == built_in else str(position[0])
