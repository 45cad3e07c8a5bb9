"""What a draft says, for who wants it reviewed."""

from sqlalchemy import Connection

from consensus_contract.errors import DraftEmpty, DraftIllegalState, NotAWriter
from persistence_service.drafts import names, repository
from persistence_service.drafts.repository import DraftKey

BETWEEN_SEGMENTS = "\n"


def submitted_text(connection: Connection, key: DraftKey, user: str) -> str:
    """The draft's segments in order, a line each.

    Raises:
        DraftNotFound: the tenant has no such draft.
        NotAWriter: the user may not write in it.
        DraftIllegalState: it is LOCKED.
        DraftEmpty: nothing was written.
    """
    draft = repository.find_draft(connection, key)
    member = repository.find_member(connection, key, user)
    if member is None or member["role"] not in names.WRITERS:
        raise NotAWriter(draft_id=key[1])
    if draft.draft["state"] not in names.SUBMITTED:
        raise DraftIllegalState(draft_id=key[1], state=draft.draft["state"], operation="submit")
    if not draft.segments:
        raise DraftEmpty(draft_id=key[1])
    return BETWEEN_SEGMENTS.join(segment["content"] for segment in draft.segments)
