"""Tables of the journal."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema import Base, Digest, Identifier, Json, UtcTime, text_column


class AuditEntryRow(Base):
    """One entry of one stream. Only ever added; holds no content."""

    __tablename__ = "audit_log"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # `runs/<run id>`, `drafts/<draft id>`, `security/<tenant>`.
    stream: Mapped[str] = mapped_column(text_column(80), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    event_time: Mapped[datetime] = mapped_column(UtcTime)
    event_type: Mapped[str] = mapped_column(String(40))
    caller: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(String(255))
    request_id: Mapped[str] = mapped_column(String(64))
    # 10 DEBUG, 20 INFO, 30 WARNING, 40 ERROR, 50 CRITICAL.
    severity: Mapped[int] = mapped_column(SmallInteger)
    persona_id: Mapped[str | None] = mapped_column(String(63))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    # The worker's record that it came with; what a repeated record is answered from.
    record_id: Mapped[int | None] = mapped_column(BigInteger)
    # SHA-256 of the canonical form of what stands in another table; absent when `data` says it all.
    payload_digest: Mapped[bytes | None] = mapped_column(Digest)
    # Hash of the entry before; 32 zero bytes for the first.
    previous_hash: Mapped[bytes] = mapped_column(Digest)

    __table_args__ = (
        # The pages of the audit trail, newest first (read backwards). Entries of one instant are few: the
        # rest of their order is left to a sort, since each byte here is written with every entry.
        Index("ix_audit_log_time", "tenant", "event_time"),
        # What went wrong is rare, and what is looked for.
        Index(
            "ix_audit_log_severe",
            "tenant",
            "event_time",
            postgresql_where=text("severity >= 30"),
            sqlite_where=text("severity >= 30"),
        ),
    )


class StreamHeadRow(Base):
    """The newest entry of each stream but those of runs, which keep it themselves until they are purged."""

    __tablename__ = "stream_heads"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    stream: Mapped[str] = mapped_column(text_column(80), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    hash: Mapped[bytes] = mapped_column(Digest)
    update_time: Mapped[datetime] = mapped_column(UtcTime)
