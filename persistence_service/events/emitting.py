"""For other concepts: events that are stored in the transaction of the change that they are about."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from persistence_service.events import repository
from persistence_service.events.event import DraftPart, NewEvent, draft_event

__all__ = ["DraftPart", "NewEvent", "append_in_transaction", "draft_event"]


def append_in_transaction(
    connection: Connection, tenant: str, events: Sequence[NewEvent], now: datetime
) -> list[bool]:
    """Stores events at `now`, by the database's clock; of each whether it was new. Commits nothing."""
    return repository.append(connection, tenant, events, now) if events else []
