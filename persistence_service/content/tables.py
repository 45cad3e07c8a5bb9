"""Table of content keys."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, UtcTime, core_table


class ContentKeyRow(Base):
    """A key that content is sealed with, itself sealed with an operator's key."""

    __tablename__ = "content_keys"

    key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    # Which of the operator's keys it is wrapped with; changes when these are rotated.
    wrapping_key_id: Mapped[str] = mapped_column(String(32))
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    wrap_time: Mapped[datetime] = mapped_column(UtcTime)


CONTENT_KEYS = core_table(ContentKeyRow)
