"""Tables of the journal, and the view that shows it an entry a row."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    column,
    text,
)
from sqlalchemy import table as view
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Digest, Identifier, Json, UtcTime, text_column

Stream = text_column(80)


class JournalRow(Base):
    """The entries that one commit left in one stream, in their order. Only ever added; holds no content.

    What all of them share stands in columns; `packing` says how `entries` and `previous_hashes` are read,
    and `AUDIT_LOG` shows each entry as a row. A row for each wrote almost three times as much log, of keys.
    """

    __tablename__ = "journal"

    event_time: Mapped[datetime] = mapped_column(UtcTime)
    # The sequence of the first entry; those after it count on.
    first_sequence: Mapped[int] = mapped_column(Integer)
    # The highest among the entries: 10 DEBUG, 20 INFO, 30 WARNING, 40 ERROR, 50 CRITICAL.
    severity: Mapped[int] = mapped_column(SmallInteger)
    tenant: Mapped[str] = mapped_column(Identifier)
    # `runs/<run id>`, `drafts/<draft id>`, `security/<tenant>`.
    stream: Mapped[str] = mapped_column(Stream)
    caller: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(String(255))
    request_id: Mapped[str] = mapped_column(String(64))
    # 32 bytes for each entry: the hash of the one before it, zero bytes for a stream's first.
    previous_hashes: Mapped[bytes] = mapped_column(LargeBinary)
    entries: Mapped[list[list[Any]]] = mapped_column(JSON)

    __table_args__ = (
        PrimaryKeyConstraint("tenant", "stream", "first_sequence"),
        # The pages of the audit trail, newest first (read backwards). Commits of one instant are few: the
        # rest of their order is left to a sort, since each byte here is written with every one of them.
        Index("ix_journal_time", "tenant", "event_time"),
        # What went wrong is rare, and what is looked for.
        Index(
            "ix_journal_severe",
            "tenant",
            "event_time",
            postgresql_where=text("severity >= 30"),
            sqlite_where=text("severity >= 30"),
        ),
    )


AUDIT_LOG = view(
    "audit_log",
    column("tenant", Identifier),
    column("stream", Stream),
    column("sequence", Integer),
    column("event_time", UtcTime),
    column("event_type", String),
    column("caller", String),
    column("user_id", String),
    column("request_id", String),
    column("severity", SmallInteger),
    column("persona_id", String),
    column("data", Json),
    # The worker's record that it came with; what a repeated record is answered from.
    column("record_id", BigInteger),
    # In lowercase hexadecimal: SHA-256 of the canonical form of what stands in another table, null when
    # `data` says it all; and the hash of the entry before.
    column("payload_digest", String),
    column("previous_hash", String),
    # The highest severity in the commit, which is indexed.
    column("commit_severity", SmallInteger),
)
"""An entry a row, as an auditor reads the journal: a view of the database."""


class StreamHeadRow(Base):
    """The newest entry of each stream but those of runs, which keep it themselves until they are purged."""

    __tablename__ = "stream_heads"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    stream: Mapped[str] = mapped_column(Stream, primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    hash: Mapped[bytes] = mapped_column(Digest)
    update_time: Mapped[datetime] = mapped_column(UtcTime)
