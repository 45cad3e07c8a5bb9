"""Tables of what was spent: on runs that are gone, by whom expansions were asked for, and against caps."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.schema.base import Base, Identifier, UtcTime, core_table, text_column


class UsageRow(Base):
    """What a purged run's calls came to, by day, step and currency; insert-only, and never purged.

    As long as a run is there its attempts say it, so that nothing is written twice.
    """

    __tablename__ = "usage"
    __table_args__ = (Index("ix_usage_day", "tenant", "day"),)

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # When the day begins, in UTC.
    day: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)
    step: Mapped[str] = mapped_column(text_column(63), primary_key=True)
    # Empty: of no known price.
    currency: Mapped[str] = mapped_column(text_column(3), primary_key=True)
    caller: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(text_column(255))
    call_count: Mapped[int] = mapped_column(BigInteger)
    uncertain_call_count: Mapped[int] = mapped_column(BigInteger)
    cost_micros: Mapped[int] = mapped_column(BigInteger)
    uncertain_micros: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)


class ExpansionRow(Base):
    """Who asked for an expansion, which is no run; written with its first attempt."""

    __tablename__ = "expansions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    expansion_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    caller: Mapped[str] = mapped_column(String(255))
    create_time: Mapped[datetime] = mapped_column(UtcTime)

    # Purging by age.
    __table_args__ = (Index("ix_expansions_create_time", "create_time"),)


class SpendRow(Base):
    """What is spent and set aside against a cap: of a tenant's day, a caller's day, or a run.

    It holds nothing that the attempts do not say: it is summed anew when it is missing, and when the caps
    are others than those that it was counted under. Locked by whoever sets something aside.
    """

    __tablename__ = "spend"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # `caller_day`, `run`, `tenant_day`.
    kind: Mapped[str] = mapped_column(text_column(16), primary_key=True)
    # The caller or the run; empty for a tenant.
    name: Mapped[str] = mapped_column(text_column(255), primary_key=True)
    # When the day begins, in UTC; 1970 for a run.
    day: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)
    caps_version: Mapped[str] = mapped_column(String(64))
    micros: Mapped[int] = mapped_column(BigInteger)


USAGE = core_table(UsageRow)
EXPANSIONS = core_table(ExpansionRow)
SPEND = core_table(SpendRow)
