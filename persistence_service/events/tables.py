"""Table of events."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Digest, Identifier, Json, UtcTime, text_column


class EventRow(Base):
    """An event of another backend. What makes it a duplicate is its key."""

    __tablename__ = "events"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    event_type: Mapped[str] = mapped_column(text_column(100), primary_key=True)
    occur_time: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)
    # SHA-256 of the canonical form (RFC 8785) of the data.
    data_digest: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    # The microsecond in which it was stored, times 1,000, plus its place in its batch.
    position: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    schema_version: Mapped[int] = mapped_column(Integer)
    # The caller's name for it; empty for none.
    event_key: Mapped[str] = mapped_column(text_column(255))
    # Out of the data of events of drafts; absent for all others.
    draft_id: Mapped[str | None] = mapped_column(Identifier)
    user_id: Mapped[str | None] = mapped_column(text_column(255))
    recipient_id: Mapped[str | None] = mapped_column(text_column(255))

    __table_args__ = (
        # Pages of all types; those of one type have the primary key.
        Index("ix_events_time", "tenant", "occur_time", "position"),
        # Purging by age.
        Index("ix_events_position", "position"),
        # What the data contains. SQLite has no such index: there it holds nothing, and costs nothing.
        Index(
            "ix_events_data",
            "data",
            postgresql_using="gin",
            postgresql_ops={"data": "jsonb_path_ops"},
            sqlite_where=text("data IS NULL"),
        ),
        Index(
            "ix_events_draft",
            "tenant",
            "draft_id",
            postgresql_where=text("draft_id IS NOT NULL"),
            sqlite_where=text("draft_id IS NOT NULL"),
        ),
        Index(
            "ix_events_user",
            "tenant",
            "user_id",
            postgresql_where=text("user_id IS NOT NULL"),
            sqlite_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "ix_events_recipient",
            "tenant",
            "recipient_id",
            postgresql_where=text("recipient_id IS NOT NULL"),
            sqlite_where=text("recipient_id IS NOT NULL"),
        ),
    )
