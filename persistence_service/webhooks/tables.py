"""Table of webhooks."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import (
    Base,
    Identifier,
    Json,
    UtcTime,
    core_table,
    index_of_present,
)

DELIVERED, GIVEN_UP = "DELIVERED", "GIVEN_UP"
FAILURE_CHARACTERS = 100

_WAITS = text("settle_time IS NULL")


class WebhookDeliveryRow(Base):
    """The end of a run, which a receiver is told or was told; holds no content, and names nobody.

    Written with the entry of the journal that ends the run, whose sequence it has: a run that was resumed
    ends again.
    """

    __tablename__ = "webhook_deliveries"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    # What the receiver gets, but for where the run is shown.
    message: Mapped[dict[str, Any]] = mapped_column(Json)
    attempt_count: Mapped[int] = mapped_column(Integer)
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    # Not before it; while somebody delivers it, when others may.
    next_attempt_time: Mapped[datetime] = mapped_column(UtcTime)
    # Of the newest attempt that failed; never what the receiver said.
    last_failure: Mapped[str | None] = mapped_column(String(FAILURE_CHARACTERS))
    # Absent while it waits: when it was delivered or given up, and which.
    settle_time: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str | None] = mapped_column(String(16))

    __table_args__ = (
        Index("ix_webhook_deliveries_due", "next_attempt_time", postgresql_where=_WAITS, sqlite_where=_WAITS),
        Index("ix_webhook_deliveries_waiting", "create_time", postgresql_where=_WAITS, sqlite_where=_WAITS),
        index_of_present("ix_webhook_deliveries_settled", "settle_time", present="settle_time"),
    )


DELIVERIES = core_table(WebhookDeliveryRow)
