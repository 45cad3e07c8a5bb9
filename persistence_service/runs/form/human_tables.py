"""Tables of what people say about runs."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, TenThousandths, UtcTime, core_table
from persistence_service.schema.sealed import SealedJson, SealedText


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
    reason: Mapped[str] = mapped_column(SealedText("decision_overrides.reason"))


class EscalationRow(Base):
    """A run that a person should look at; insert-only, goes with its run."""

    __tablename__ = "escalations"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # Of the event that is the reason: a run that is resumed may fail again.
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    cause: Mapped[str] = mapped_column(String(32))

    __table_args__ = (Index("ix_escalations_time", "tenant", "create_time", "run_id"),)


class ResolutionRow(Base):
    """What came of a run's escalations up to a sequence, as somebody says; insert-only, goes with its run."""

    __tablename__ = "escalation_resolutions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    resolution_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    user_id: Mapped[str] = mapped_column(String(255))
    caller: Mapped[str] = mapped_column(String(255))
    resolution: Mapped[str] = mapped_column(SealedText("escalation_resolutions.resolution"))


class HumanReviewRow(Base):
    """A person's review of a decided run; insert-only, goes with its run."""

    __tablename__ = "human_reviews"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    review_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    confidence: Mapped[int] = mapped_column(TenThousandths)
    content: Mapped[dict[str, Any]] = mapped_column(SealedJson("human_reviews.content"))
    user_id: Mapped[str] = mapped_column(String(255))
    caller: Mapped[str] = mapped_column(String(255))

    __table_args__ = (Index("ix_human_reviews_time", "tenant", "create_time", "review_id"),)


OVERRIDES = core_table(OverrideRow)
ESCALATIONS = core_table(EscalationRow)
RESOLUTIONS = core_table(ResolutionRow)
HUMAN_REVIEWS = core_table(HumanReviewRow)
