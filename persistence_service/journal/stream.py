"""The entries of a stream as they are stored. Never commits."""

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, and_, bindparam, func, select

from consensus_journal import Entry
from persistence_service.journal.packing import unpack
from persistence_service.journal.tables import JournalRow

_JOURNAL = JournalRow.__table__.c
_IN_STREAM = and_(_JOURNAL.tenant == bindparam("tenant"), _JOURNAL.stream == bindparam("stream"))
# The row that holds the entry that is wanted first, which need not be the first that it holds.
_FIRST_ROW = (
    select(func.max(_JOURNAL.first_sequence))
    .where(_IN_STREAM, _JOURNAL.first_sequence <= bindparam("after") + 1)
    .scalar_subquery()
)
# As many rows as entries are wanted hold enough of them.
ROWS_AFTER = (
    select(*_JOURNAL)
    .where(_IN_STREAM, _JOURNAL.first_sequence >= func.coalesce(_FIRST_ROW, 0))
    .order_by(_JOURNAL.first_sequence)
    .limit(bindparam("limit"))
)
ALL_ROWS = select(*_JOURNAL).where(_IN_STREAM).order_by(_JOURNAL.first_sequence)
ROWS_OF_STREAMS = (
    select(*_JOURNAL)
    .where(_JOURNAL.tenant == bindparam("tenant"), _JOURNAL.stream.in_(bindparam("streams", expanding=True)))
    .order_by(_JOURNAL.stream, _JOURNAL.first_sequence)
)


def entries_after(
    connection: Connection, tenant: str, stream: str, after: int, limit: int
) -> Iterator[Entry]:
    """The next entries of a stream after a sequence, in their order."""
    # The first row may hold nothing that is wanted, when its end is the stream's.
    parameters = {"tenant": tenant, "stream": stream, "after": after, "limit": limit + 1}
    entries = (entry for row in connection.execute(ROWS_AFTER, parameters) for entry in unpack(row))
    return islice((entry for entry in entries if entry.sequence > after), limit)


def all_entries(connection: Connection, tenant: str, stream: str) -> Iterator[Entry]:
    """All entries of a stream, in their order."""
    rows = connection.execute(ALL_ROWS, {"tenant": tenant, "stream": stream})
    return (entry for row in rows for entry in unpack(row))


def entries_of(connection: Connection, tenant: str, streams: Sequence[str]) -> Iterator[Entry]:
    """All entries of some streams, those of each in their order."""
    rows = connection.execute(ROWS_OF_STREAMS, {"tenant": tenant, "streams": streams})
    return (entry for row in rows for entry in unpack(row))
