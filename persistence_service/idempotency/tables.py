"""Table of idempotency keys."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Digest, Identifier, UtcTime, text_column
from persistence_service.schema.sealed import SealedBytes


class IdempotencyKeyRow(Base):
    """A key and what it stands for; written in the transaction of the effect."""

    __tablename__ = "idempotency_keys"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    caller: Mapped[str] = mapped_column(text_column(255), primary_key=True)
    operation: Mapped[str] = mapped_column(text_column(64), primary_key=True)
    # Which run or draft is addressed; empty for starts.
    resource: Mapped[str] = mapped_column(text_column(64), primary_key=True)
    key: Mapped[str] = mapped_column(text_column(255), primary_key=True)
    # SHA-256 over the canonical form of the request.
    fingerprint: Mapped[bytes] = mapped_column(Digest)
    # The run that the key started or addressed; its end is waited for before the key is purged.
    run_id: Mapped[str | None] = mapped_column(Identifier)
    # The answer, for operations that store it.
    response: Mapped[bytes | None] = mapped_column(SealedBytes("idempotency_keys.response"))
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    # Absent: never expires.
    expire_time: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (Index("ix_idempotency_keys_expiry", "expire_time"),)
