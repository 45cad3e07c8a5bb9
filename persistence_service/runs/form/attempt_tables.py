"""Table of calls to the model."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, Json, UtcTime, core_table, text_column
from persistence_service.schema.sealed import SealedText


class AttemptRow(Base):
    """One call to the model. What a run cost is the sum over its attempts.

    What never changes stands first, and what is not known before the end is NULL until then: PostgreSQL
    writes of an update only what follows the part that both versions of the row begin with.
    """

    __tablename__ = "attempts"
    # Rows come in the order of time: of an index of blocks hardly anything is written.
    __table_args__ = (Index("ix_attempts_start_time", "start_time", postgresql_using="brin"),)

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # The run, or the expansion that belongs to no run.
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    step: Mapped[str] = mapped_column(text_column(63), primary_key=True)
    attempt_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    max_output_tokens: Mapped[int] = mapped_column(Integer)
    # In hundredths; absent when none was sent.
    temperature: Mapped[int | None] = mapped_column(Integer)
    start_time: Mapped[datetime] = mapped_column(UtcTime)
    is_repair: Mapped[bool] = mapped_column(Boolean)
    requested_model: Mapped[str] = mapped_column(String(200))
    # From here on what the end says. Status, model and id are absent when no answer came.
    latency_nanoseconds: Mapped[int | None] = mapped_column(BigInteger)
    http_status: Mapped[int | None] = mapped_column(Integer)
    # Tokens: all absent when the provider did not say.
    input_tokens: Mapped[int | None] = mapped_column(Integer)
    cached_tokens: Mapped[int | None] = mapped_column(Integer)
    cache_write_tokens: Mapped[int | None] = mapped_column(Integer)
    output_tokens: Mapped[int | None] = mapped_column(Integer)
    reasoning_tokens: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    answered_model: Mapped[str | None] = mapped_column(String(200))
    provider_request_id: Mapped[str | None] = mapped_column(String(200))
    # What was wrong. The raw output is content: the answer as it came, where it was invalid.
    message: Mapped[str | None] = mapped_column(Text)
    raw_output: Mapped[str | None] = mapped_column(SealedText("attempts.raw_output"))
    # What was said of a failure, and what of an answer was put right; absent for a clean attempt. Content.
    evidence: Mapped[dict[str, Any] | None] = mapped_column(Json)
    # Money in millionths, absent where the route has no price: the most that it can cost, and what it was
    # charged with, which is absent as long as nobody knows. See `charging`.
    currency: Mapped[str | None] = mapped_column(text_column(3))
    most_micros: Mapped[int | None] = mapped_column(BigInteger)
    charged_micros: Mapped[int | None] = mapped_column(BigInteger)
    price_version: Mapped[str | None] = mapped_column(String(16))


ATTEMPTS = core_table(AttemptRow)
