"""Table of calls to the model."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema import Base, Identifier, UtcTime, text_column


class AttemptRow(Base):
    """One call to the model. What a run cost is the sum over its attempts."""

    __tablename__ = "attempts"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # The run, or the expansion that belongs to no run.
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    step: Mapped[str] = mapped_column(text_column(63), primary_key=True)
    attempt_number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    requested_model: Mapped[str] = mapped_column(String(200))
    answered_model: Mapped[str] = mapped_column(String(200))
    # In hundredths; absent when none was sent.
    temperature: Mapped[int | None] = mapped_column(Integer)
    is_repair: Mapped[bool] = mapped_column(Boolean)
    max_output_tokens: Mapped[int] = mapped_column(BigInteger)
    start_time: Mapped[datetime] = mapped_column(UtcTime)
    latency_nanoseconds: Mapped[int | None] = mapped_column(BigInteger)
    http_status: Mapped[int] = mapped_column(BigInteger)
    provider_request_id: Mapped[str] = mapped_column(String(200))
    # Tokens: all absent when the provider did not say.
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    # Content: the answer as it came, where it was invalid.
    raw_output: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
