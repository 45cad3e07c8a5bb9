"""Table of signing keys."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, UtcTime


class SigningKeyRow(Base):
    """A secret that every replica signs with; made by the first that starts."""

    __tablename__ = "signing_keys"

    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
