"""One change to one draft: what every operation on drafts does within its transaction.

The draft's row is locked first, which keeps positions without gap and its journal in order, whoever else
changes it; READ COMMITTED then shows what the one before committed. The journal's entries come last.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from consensus.v1 import draft_pb2
from consensus_contract.errors import DraftNotFound, NotAWriter, NotDraftOwner
from persistence_service.drafts import convert, names, repository, statements
from persistence_service.drafts.convert import Row
from persistence_service.drafts.repository import DraftKey
from persistence_service.events.emitting import DraftPart, NewEvent, append_in_transaction, draft_event
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import Actor, NewEntry


@dataclass(slots=True)
class Change:
    """A change while its transaction runs. Its one instant is taken once the draft is locked."""

    connection: Connection
    key: DraftKey
    actor: Actor
    clock: DatabaseClock
    now: datetime
    _entries: list[NewEntry] = field(default_factory=list)
    _events: list[NewEvent] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        """Whom the draft belongs to."""
        return self.key[0]

    @property
    def draft_id(self) -> str:
        """Its id, the second part of its key."""
        return self.key[1]

    @property
    def user(self) -> str:
        """The person who acts."""
        return self.actor.user

    @property
    def of_draft(self) -> dict[str, Any]:
        """Parameters of statements that change rows of the draft."""
        return {"of_tenant": self.tenant, "of_draft": self.draft_id}

    @property
    def row_key(self) -> dict[str, Any]:
        """The first columns of all rows of the draft."""
        return {"tenant": self.tenant, "draft_id": self.draft_id}

    def lock(self, *, show_deleted: bool = False) -> Row:
        """The draft's row, which nobody else changes until the transaction ends.

        Raises:
            DraftNotFound: the tenant has no such draft.
        """
        statement = statements.LOCK_DRAFT.shown(show_deleted)
        draft = self.connection.execute(statement, self.row_key).mappings().one_or_none()
        if draft is None:
            raise DraftNotFound(draft_id=self.draft_id)
        # Not before what changed it last, should the clock have been set back.
        self.now = max(self.clock(self.connection), draft["update_time"])
        return draft

    def member(self, user: str, *, show_deleted: bool = False) -> Row | None:
        """What a user has to do with the draft."""
        return repository.find_member(self.connection, self.key, user, show_deleted=show_deleted)

    def role(self, user: str, *, show_deleted: bool = False) -> str | None:
        """The user's role; None for one who is no collaborator."""
        member = self.member(user, show_deleted=show_deleted)
        return None if member is None else member["role"]

    def check_owner(self, *, show_deleted: bool = False) -> None:
        """Raises NotDraftOwner unless the person who acts is an owner."""
        if self.role(self.user, show_deleted=show_deleted) != names.OWNER:
            raise NotDraftOwner(draft_id=self.draft_id)

    def check_writer(self) -> None:
        """Raises NotAWriter unless the person who acts may write."""
        if self.role(self.user) not in names.WRITERS:
            raise NotAWriter(draft_id=self.draft_id)

    def update(self, **columns: Any) -> None:
        """Sets columns of the draft's row, and when it changed."""
        statement = statements.UPDATE_DRAFT.values(**columns, update_time=self.now)
        self.connection.execute(statement, self.of_draft)

    def note(self, event_type: str, data: dict[str, Any], *, payload_digest: bytes | None = None) -> None:
        """What will stand in the journal; never content."""
        self._entries.append(NewEntry(event_type, data, payload_digest=payload_digest))

    def emit(self, event_type: str, *, recipient: str | None = None, **more: Any) -> None:
        """What will stand in the event store."""
        part = DraftPart(self.draft_id, self.user, recipient)
        self._events.append(draft_event(event_type, self.now, part, **more))

    def finish(self) -> None:
        """Writes journal and events, if there is anything to write."""
        append_in_transaction(self.connection, self.tenant, self._events, self.now)
        if self._entries:
            stream = repository.draft_stream(self.draft_id)
            append(self.connection, self.tenant, stream, self._entries, self.actor, lambda _: self.now)

    def short_draft(self) -> draft_pb2.Draft:
        """Finishes, and answers with the draft as it stands then."""
        self.finish()
        return convert.short_draft(repository.find_short(self.connection, self.key, show_deleted=True))
