"""Table of access keys."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Digest, Identifier, UtcTime, core_table, text_column


class AccessKeyRow(Base):
    """A key, without its secret; never removed, so that the audit trail's ids go on meaning something."""

    __tablename__ = "access_keys"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    key_id: Mapped[str] = mapped_column(text_column(16), primary_key=True)
    secret_digest: Mapped[bytes] = mapped_column(Digest)
    subject: Mapped[str] = mapped_column(String(100))
    # Names with blanks between them.
    roles: Mapped[str] = mapped_column(String(400))
    bound_user: Mapped[str] = mapped_column(String(255))
    bound_prefix: Mapped[str] = mapped_column(String(255))
    note: Mapped[str] = mapped_column(String(255))
    creator: Mapped[str] = mapped_column(String(255))
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    expire_time: Mapped[datetime | None] = mapped_column(UtcTime)
    revoke_time: Mapped[datetime | None] = mapped_column(UtcTime)
    last_use_time: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        # By its id alone a key is found when its tenant is not known yet.
        Index("ix_access_keys_id", "key_id", unique=True),
        Index("ix_access_keys_time", "tenant", "create_time", "key_id"),
    )


KEYS = core_table(AccessKeyRow)
