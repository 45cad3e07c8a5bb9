"""Table of metrics."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, Json, UtcTime, deletion_indexes, text_column


class MetricRow(Base):
    """A typed record of another backend."""

    __tablename__ = "metrics"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    metric_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    metric_type: Mapped[str] = mapped_column(text_column(100))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    # For whom it was stored last; absent when not said.
    user_id: Mapped[str | None] = mapped_column(text_column(255))
    # What it is about; absent for none.
    org_id: Mapped[str | None] = mapped_column(text_column(255))
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    update_time: Mapped[datetime] = mapped_column(UtcTime)
    # Absent until it is deleted, then which deletion took it.
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = (
        # Pages, newest first (read backwards): of all, of a type, of a user, of an organisation.
        Index("ix_metrics_time", "tenant", "create_time", "metric_id"),
        Index("ix_metrics_type", "tenant", "metric_type", "create_time", "metric_id"),
        Index(
            "ix_metrics_user",
            "tenant",
            "user_id",
            "create_time",
            "metric_id",
            postgresql_where=text("user_id IS NOT NULL"),
            sqlite_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "ix_metrics_org",
            "tenant",
            "org_id",
            "create_time",
            "metric_id",
            postgresql_where=text("org_id IS NOT NULL"),
            sqlite_where=text("org_id IS NOT NULL"),
        ),
        # What the data contains. SQLite has no such index: there it holds nothing, and costs nothing.
        Index(
            "ix_metrics_data",
            "data",
            postgresql_using="gin",
            postgresql_ops={"data": "jsonb_path_ops"},
            sqlite_where=text("data IS NULL"),
        ),
        # Purging by age.
        Index("ix_metrics_update_time", "update_time"),
        *deletion_indexes("metrics"),
    )
