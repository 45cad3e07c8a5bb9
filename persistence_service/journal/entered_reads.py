"""Reads entered into the journal, for those who must know who looked at what."""

from consensus_journal import Plain
from persistence_service.database import Database
from persistence_service.journal.append import append
from persistence_service.journal.entries import Actor, NewEntry


def reads_stream(tenant: str) -> str:
    """The stream of a tenant's reads; apart from those of what is read, whose entries are its events."""
    return f"reads/{tenant}"


async def enter_read(
    database: Database, tenant: str, actor: Actor, event_type: str, data: dict[str, Plain]
) -> None:
    """Enters a read before it is answered; without the entry there is no answer.

    Raises:
        DatabaseUnavailable, LockTimeout: it could not be entered.
    """
    stream = reads_stream(tenant)
    await database.run(
        lambda connection: append(
            connection, tenant, stream, [NewEntry(event_type, data)], actor, database.now
        ),
        tenant=tenant,
        isolation="READ COMMITTED",
        resource=stream,
    )
