"""Tables of policies."""

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, UtcTime, core_table, text_column

PolicyId = text_column(63)


class PolicyRow(Base):
    """A policy, and which of its revisions is current."""

    __tablename__ = "policies"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    policy_id: Mapped[str] = mapped_column(PolicyId, primary_key=True)
    revision: Mapped[str] = mapped_column(String(64))
    update_time: Mapped[datetime] = mapped_column(UtcTime)


class PolicyRevisionRow(Base):
    """What a policy was at some time; insert-only, and never removed: runs name it."""

    __tablename__ = "policy_revisions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    policy_id: Mapped[str] = mapped_column(PolicyId, primary_key=True)
    # SHA-256 of its content, in hexadecimal.
    revision: Mapped[str] = mapped_column(text_column(64), primary_key=True)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    creator: Mapped[str] = mapped_column(String(255))
    # The canonical JSON itself, of which the revision is the digest.
    content: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_policy_revisions_time", "tenant", "policy_id", "create_time", "revision"),)


POLICIES = core_table(PolicyRow)
REVISIONS = core_table(PolicyRevisionRow)
