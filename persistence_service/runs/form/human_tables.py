"""Tables of what people say about runs."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, UtcTime, core_table


class OverrideRow(Base):
    """A person's label in place of the panel's; insert-only, goes with its run."""

    __tablename__ = "decision_overrides"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    override_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    label: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[str] = mapped_column(String(255))
    caller: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)


OVERRIDES = core_table(OverrideRow)
