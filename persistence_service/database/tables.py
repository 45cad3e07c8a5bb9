"""Table of tenants on the move, which every transaction that changes a tenant's rows asks first."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Digest, Identifier, UtcTime, core_table

FROZEN = "FROZEN"
"""It is read here, and nothing of it is changed: it is about to be moved away."""
MOVED = "MOVED"
"""It was moved away: it is neither read nor changed here."""
ARRIVED = "ARRIVED"
"""It was brought here, and is not open yet: it is neither read nor changed."""
OPEN = "OPEN"
"""It was brought here, and is served like any other."""


class TenantMoveRow(Base):
    """Where a tenant stands that is moved, or was; of one that never was there is none."""

    __tablename__ = "tenant_moves"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    # The same at both ends.
    move_id: Mapped[str] = mapped_column(Identifier)
    # What opens the tenant at the other end: known where it leaves, until then told nobody.
    release_code: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    # Its SHA-256, known at both ends.
    release_digest: Mapped[bytes] = mapped_column(Digest)
    # Of what was exported or imported, once it was.
    content_digest: Mapped[bytes | None] = mapped_column(Digest)
    freeze_time: Mapped[datetime] = mapped_column(UtcTime)
    change_time: Mapped[datetime] = mapped_column(UtcTime)


TENANT_MOVES = core_table(TenantMoveRow)
