"""Tables of panels."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, Json, UtcTime, core_table, text_column

PanelId = text_column(63)


class PanelRow(Base):
    """A panel, and which of its revisions is current."""

    __tablename__ = "panels"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    panel_id: Mapped[str] = mapped_column(PanelId, primary_key=True)
    revision: Mapped[str] = mapped_column(String(64))
    update_time: Mapped[datetime] = mapped_column(UtcTime)
    # Absent until it is deleted; what it was stays, for it may be put again.
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)


class PanelRevisionRow(Base):
    """What a panel was at some time; insert-only, and never removed: runs name it."""

    __tablename__ = "panel_revisions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    panel_id: Mapped[str] = mapped_column(PanelId, primary_key=True)
    # SHA-256 of its content, in hexadecimal.
    revision: Mapped[str] = mapped_column(text_column(64), primary_key=True)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    content: Mapped[dict[str, Any]] = mapped_column(Json)

    __table_args__ = (Index("ix_panel_revisions_time", "tenant", "panel_id", "create_time", "revision"),)


PANELS = core_table(PanelRow)
REVISIONS = core_table(PanelRevisionRow)
