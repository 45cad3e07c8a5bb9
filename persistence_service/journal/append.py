"""Appends entries to a stream, in the transaction of the change that they are about."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from consensus_journal import FIRST_PREVIOUS_HASH
from persistence_service.journal.entries import Actor, ChainEnd, NewEntry
from persistence_service.journal.packing import pack
from persistence_service.journal.tables import JournalRow, StreamHeadRow
from persistence_service.schema.base import core_table, insert

DatabaseClock = Callable[[Connection], datetime]

_OF_STREAM = (
    StreamHeadRow.tenant == bindparam("of_tenant"),
    StreamHeadRow.stream == bindparam("of_stream"),
)
_LOCK = select(StreamHeadRow.sequence, StreamHeadRow.hash).where(*_OF_STREAM).with_for_update()
_BEGIN = insert(StreamHeadRow).on_conflict_do_nothing()
_MOVE = (
    update(core_table(StreamHeadRow))
    .where(*_OF_STREAM)
    .values(
        sequence=bindparam("new_sequence"),
        hash=bindparam("new_hash", type_=StreamHeadRow.hash.type),
        update_time=bindparam("new_time", type_=StreamHeadRow.update_time.type),
    )
)
_ADD = insert(JournalRow)


def append(
    connection: Connection,
    tenant: str,
    stream: str,
    entries: Sequence[NewEntry],
    actor: Actor,
    clock: DatabaseClock,
) -> None:
    """Chains entries to the end of a stream, whose head stays locked until the transaction ends.

    Needs READ COMMITTED, and comes last in its transaction: others wait for the head only as long as the
    commit takes. The entries' time is taken once the head is held, so that time rises along the stream.
    """
    end = _locked(connection, tenant, stream) or _begun(connection, tenant, stream, clock)
    now = clock(connection)
    connection.execute(_ADD, pack(end.chain(entry, actor, now, None) for entry in entries))
    connection.execute(
        _MOVE,
        {
            "of_tenant": tenant,
            "of_stream": stream,
            "new_sequence": end.sequence,
            "new_hash": end.hash,
            "new_time": now,
        },
    )


def _locked(connection: Connection, tenant: str, stream: str) -> ChainEnd | None:
    row = connection.execute(_LOCK, {"of_tenant": tenant, "of_stream": stream}).first()
    return None if row is None else ChainEnd(tenant, stream, row.sequence, bytes(row.hash))


def _begun(connection: Connection, tenant: str, stream: str, clock: DatabaseClock) -> ChainEnd:
    """The head of a stream without one; where another is about to begin the stream, that one's."""
    first = {"sequence": 0, "hash": FIRST_PREVIOUS_HASH, "update_time": clock(connection)}
    connection.execute(_BEGIN, {"tenant": tenant, "stream": stream, **first})
    end = _locked(connection, tenant, stream)
    assert end is not None, "a head is never deleted"
    return end
