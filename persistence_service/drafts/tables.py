"""Tables of drafts.

The draft's own row is locked by every change to it or to what belongs to it. What belongs to it goes with
it when it is deleted, under the same deletion's id.
"""

from datetime import datetime

from sqlalchemy import Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Digest, Identifier, UtcTime, deletion_indexes, text_column
from persistence_service.schema.sealed import SealedText

User = text_column(255)


class DraftRow(Base):
    """Where a draft stands."""

    __tablename__ = "drafts"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    draft_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    caller: Mapped[str] = mapped_column(String(255))
    title: Mapped[str] = mapped_column(String(200))
    # Empty: for nothing in particular.
    platform: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    creator: Mapped[str] = mapped_column(User)
    # The ring.
    holder: Mapped[str] = mapped_column(User)
    ring_time: Mapped[datetime] = mapped_column(UtcTime)
    # Counts; the first two are the positions that come next.
    segment_count: Mapped[int] = mapped_column(Integer)
    turn_count: Mapped[int] = mapped_column(Integer)
    collaborator_count: Mapped[int] = mapped_column(Integer)
    # Instants.
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    update_time: Mapped[datetime] = mapped_column(UtcTime)
    complete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = deletion_indexes("drafts")


class DraftSegmentRow(Base):
    """A contribution; never changes."""

    __tablename__ = "draft_segments"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    draft_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    segment_id: Mapped[str] = mapped_column(Identifier)
    author: Mapped[str] = mapped_column(User)
    author_display: Mapped[str] = mapped_column(String(16))
    holder: Mapped[str] = mapped_column(User)
    content: Mapped[str] = mapped_column(SealedText("draft_segments.content"))
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)


class DraftTurnRow(Base):
    """A time that somebody held the ring; never changes."""

    __tablename__ = "draft_turns"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    draft_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    holder: Mapped[str] = mapped_column(User)
    # Empty for the creator's.
    passed_by: Mapped[str] = mapped_column(User)
    receive_time: Mapped[datetime] = mapped_column(UtcTime)
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)


class DraftMemberRow(Base):
    """What a user has to do with a draft: a collaborator, an author, or both."""

    __tablename__ = "draft_members"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    draft_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    user_id: Mapped[str] = mapped_column(User, primary_key=True)
    # Absent: no collaborator any more.
    role: Mapped[str | None] = mapped_column(String(16))
    is_author: Mapped[bool] = mapped_column(Boolean)
    # Empty for the creator.
    added_by: Mapped[str] = mapped_column(User)
    join_time: Mapped[datetime] = mapped_column(UtcTime)
    # The draft's, which never changes: a user's drafts are read in its order.
    draft_create_time: Mapped[datetime] = mapped_column(UtcTime)
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = (Index("ix_draft_members_user", "tenant", "user_id", "draft_create_time", "draft_id"),)


class DraftInvitationRow(Base):
    """An offer to take part; of its token only the digest is here."""

    __tablename__ = "draft_invitations"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    draft_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    invitation_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(Digest)
    role: Mapped[str] = mapped_column(String(16))
    # Empty: whoever has the token.
    invitee: Mapped[str] = mapped_column(User)
    invited_by: Mapped[str] = mapped_column(User)
    # Never EXPIRED: that is told from the time.
    state: Mapped[str] = mapped_column(String(16))
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    expire_time: Mapped[datetime] = mapped_column(UtcTime)
    answered_by: Mapped[str] = mapped_column(User)
    answer_time: Mapped[datetime | None] = mapped_column(UtcTime)
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = (Index("ix_draft_invitations_token", "tenant", "draft_id", "token_digest", unique=True),)
