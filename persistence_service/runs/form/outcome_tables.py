"""Table of what turned out to be right about runs."""

from datetime import datetime

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, UtcTime, core_table
from persistence_service.schema.sealed import SealedText


class OutcomeRow(Base):
    """What was right about a run, as somebody says; insert-only, goes with its run."""

    __tablename__ = "outcomes"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    outcome_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    # In ten-thousandths.
    reliability: Mapped[int] = mapped_column(Integer)
    label: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[str] = mapped_column(String(255))
    caller: Mapped[str] = mapped_column(String(255))
    note: Mapped[str] = mapped_column(SealedText("outcomes.note"))

    __table_args__ = (Index("ix_outcomes_time", "tenant", "create_time", "outcome_id"),)


OUTCOMES = core_table(OutcomeRow)
