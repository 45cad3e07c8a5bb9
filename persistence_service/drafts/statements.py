"""The statements over drafts, made once."""

from typing import Any

from sqlalchemy import Select, Table, and_, bindparam, delete, select, tuple_, update

from persistence_service.database.tenants import ForKeys, OldestLocked
from persistence_service.drafts.tables import (
    DraftInvitationRow,
    DraftMemberRow,
    DraftRow,
    DraftSegmentRow,
    DraftTurnRow,
)
from persistence_service.journal.tables import StreamHeadRow
from persistence_service.schema.base import core_table, insert
from persistence_service.schema.visibility import Both, both, everything, visible

DRAFTS = core_table(DraftRow)
SEGMENTS = core_table(DraftSegmentRow)
TURNS = core_table(DraftTurnRow)
MEMBERS = core_table(DraftMemberRow)
INVITATIONS = core_table(DraftInvitationRow)
CHILDREN = (SEGMENTS, TURNS, MEMBERS, INVITATIONS)
HEADS = core_table(StreamHeadRow)


def _of_draft(of: Table) -> Both[Select[Any]]:
    return both(
        select(*of.columns).where(of.c.tenant == bindparam("tenant"), of.c.draft_id == bindparam("draft_id"))
    )


LOCK_DRAFT = _of_draft(DRAFTS).map(lambda statement: statement.with_for_update())
# In a query of its own: behind row-level security an index serves no join on what is computed of a row.
_LAST_SEQUENCE = everything(
    select(HEADS.c.sequence).where(
        HEADS.c.tenant == DRAFTS.c.tenant, HEADS.c.stream == "drafts/" + DRAFTS.c.draft_id
    ),
    "of the draft that the query around it has found",
).scalar_subquery()
_WITH_HEAD = both(select(*DRAFTS.columns, _LAST_SEQUENCE.label("last_sequence")))
FIND_DRAFT = _WITH_HEAD.map(
    lambda statement: statement.where(
        DRAFTS.c.tenant == bindparam("tenant"), DRAFTS.c.draft_id == bindparam("draft_id")
    )
)
FIND_SEGMENTS = _of_draft(SEGMENTS).map(lambda statement: statement.order_by(SEGMENTS.c.position))
SEGMENTS_AT = _of_draft(SEGMENTS).everything.where(
    SEGMENTS.c.position >= bindparam("first"), SEGMENTS.c.position <= bindparam("last")
)
FIND_COLLABORATORS = _of_draft(MEMBERS).map(
    lambda statement: statement.where(MEMBERS.c.role.is_not(None)).order_by(
        MEMBERS.c.join_time, MEMBERS.c.user_id
    )
)
NEWEST_TURNS = _of_draft(TURNS).map(
    lambda statement: statement.order_by(TURNS.c.position.desc()).limit(bindparam("limit"))
)
TURNS_AFTER = _of_draft(TURNS).map(
    lambda statement: (
        statement.where(TURNS.c.position > bindparam("after"))
        .order_by(TURNS.c.position)
        .limit(bindparam("limit"))
    )
)
FIND_MEMBER = _of_draft(MEMBERS).map(
    lambda statement: statement.where(MEMBERS.c.user_id == bindparam("user_id"))
)
FIND_INVITATION = _of_draft(INVITATIONS).visible.where(
    INVITATIONS.c.invitation_id == bindparam("invitation_id")
)
FIND_INVITATION_BY_TOKEN = _of_draft(INVITATIONS).visible.where(
    INVITATIONS.c.token_digest == bindparam("token_digest", type_=INVITATIONS.c.token_digest.type)
)
INVITATIONS_BEFORE = (
    _of_draft(INVITATIONS)
    .visible.where(INVITATIONS.c.invitation_id < bindparam("before"))
    .order_by(INVITATIONS.c.invitation_id.desc())
    .limit(bindparam("limit"))
)


NEWEST_FIRST = (MEMBERS.c.draft_create_time, MEMBERS.c.draft_id)


def drafts_of_user(*, show_deleted: bool) -> Select[Any]:
    """A user's drafts, newest first; what comes before a page and its size are left open."""
    statement = (
        _WITH_HEAD.shown(show_deleted)
        .join(MEMBERS, and_(MEMBERS.c.tenant == DRAFTS.c.tenant, MEMBERS.c.draft_id == DRAFTS.c.draft_id))
        .where(MEMBERS.c.tenant == bindparam("tenant"), MEMBERS.c.user_id == bindparam("user_id"))
        .order_by(*(column.desc() for column in NEWEST_FIRST))
    )
    return both(statement).shown(show_deleted)


HEADS_OF = select(HEADS.c.tenant, HEADS.c.stream, HEADS.c.sequence).where(
    tuple_(HEADS.c.tenant, HEADS.c.stream).in_(bindparam("streams", expanding=True))
)

INSERT_DRAFT = insert(DRAFTS).on_conflict_do_nothing().returning(DRAFTS.c.draft_id)
INSERT_SEGMENT = insert(SEGMENTS)
INSERT_TURN = insert(TURNS)
INSERT_INVITATION = insert(INVITATIONS)
_NEW_MEMBER = insert(MEMBERS)
PUT_MEMBER = _NEW_MEMBER.on_conflict_do_update(
    index_elements=[column.name for column in MEMBERS.primary_key],
    set_={name: _NEW_MEMBER.excluded[name] for name in ("role", "added_by", "join_time", "is_author")},
)
_LOCKED = "the draft is locked, and was found to stand"
DELETE_MEMBER = everything(MEMBERS.delete(), _LOCKED).where(
    MEMBERS.c.tenant == bindparam("of_tenant"),
    MEMBERS.c.draft_id == bindparam("of_draft"),
    MEMBERS.c.user_id == bindparam("of_user"),
)
MARK_AUTHOR = (
    everything(update(MEMBERS), _LOCKED)
    .where(
        MEMBERS.c.tenant == bindparam("of_tenant"),
        MEMBERS.c.draft_id == bindparam("of_draft"),
        MEMBERS.c.user_id == bindparam("of_user"),
        MEMBERS.c.is_author.is_(False),
    )
    .values(is_author=True)
)
UPDATE_DRAFT = everything(update(DRAFTS), "the draft is locked; it may be the change that restores it").where(
    DRAFTS.c.tenant == bindparam("of_tenant"), DRAFTS.c.draft_id == bindparam("of_draft")
)
ANSWER_INVITATION = everything(update(INVITATIONS), _LOCKED).where(
    INVITATIONS.c.tenant == bindparam("of_tenant"),
    INVITATIONS.c.draft_id == bindparam("of_draft"),
    INVITATIONS.c.invitation_id == bindparam("of_invitation"),
)
DELETE_WITH = {
    of.name: visible(update(of))
    .where(of.c.tenant == bindparam("of_tenant"), of.c.draft_id == bindparam("of_draft"))
    .values(
        delete_time=bindparam("at", type_=of.c.delete_time.type),
        deletion_id=bindparam("deletion"),
    )
    for of in (DRAFTS, *CHILDREN)
}
RESTORE_WITH = {
    of.name: everything(update(of), "restores what is deleted")
    .where(
        of.c.tenant == bindparam("of_tenant"),
        of.c.draft_id == bindparam("of_draft"),
        of.c.deletion_id == bindparam("deletion"),
    )
    .values(delete_time=None, deletion_id=None)
    for of in (DRAFTS, *CHILDREN)
}

# Deletion of many drafts at once: in the order of their ids, so that two who do it wait for each other.
LOCK_DRAFTS_OF_CREATOR = (
    visible(
        select(DRAFTS.c.draft_id).join(
            MEMBERS, and_(MEMBERS.c.tenant == DRAFTS.c.tenant, MEMBERS.c.draft_id == DRAFTS.c.draft_id)
        )
    )
    .where(
        MEMBERS.c.tenant == bindparam("tenant"),
        MEMBERS.c.user_id == bindparam("user_id"),
        DRAFTS.c.creator == MEMBERS.c.user_id,
    )
    .order_by(DRAFTS.c.draft_id)
    .with_for_update(of=DRAFTS)
)
LOCK_DRAFTS_OF_DELETION = (
    everything(select(DRAFTS.c.draft_id), "restores what is deleted")
    .where(DRAFTS.c.tenant == bindparam("tenant"), DRAFTS.c.deletion_id == bindparam("deletion"))
    .order_by(DRAFTS.c.draft_id)
    .with_for_update()
)
_PURGED = "removes what was deleted long ago"
LOCK_DELETED_LONG_AGO = OldestLocked(
    everything(select(DRAFTS.c.tenant, DRAFTS.c.draft_id), _PURGED).where(
        DRAFTS.c.delete_time < bindparam("before", type_=DRAFTS.c.delete_time.type)
    ),
    [DRAFTS.c.delete_time],
    [DRAFTS.c.tenant, DRAFTS.c.draft_id],
)
# The draft goes first: what belongs to it stays as long as it stands.
PURGE = tuple(
    ForKeys(everything(delete(of), _PURGED).where, of.c.tenant, of.c.draft_id) for of in (DRAFTS, *CHILDREN)
)
