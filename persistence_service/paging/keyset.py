"""Pages that go on after the last row of the page before, never by offset."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import ColumnElement, literal, tuple_

from persistence_service.paging.sizes import MAX_PAGE_BYTES


class Sized(Protocol):
    """A message."""

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        """Bytes on the wire."""
        ...


Message = TypeVar("Message", bound=Sized)


def beyond(
    columns: Sequence[ColumnElement[Any]], values: Sequence[Any], *, descending: bool = False
) -> ColumnElement[bool]:
    """Whether a row comes after the one with these values, in the order of the columns."""
    # As the columns store them, which is not what the driver would make of a bare value.
    position = tuple_(*(literal(value, column.type) for column, value in zip(columns, values, strict=True)))
    row = tuple_(*columns)
    return row < position if descending else row > position


def fitting(messages: Iterable[Message], page_size: int) -> list[Message]:
    """As many as a page has room for; at least one, if there is one."""
    page: list[Message] = []
    page_bytes = 0
    for message in messages:
        page_bytes += message.ByteSize()
        if len(page) == page_size or (page and page_bytes > MAX_PAGE_BYTES):
            break
        page.append(message)
    return page
