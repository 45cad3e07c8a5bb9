"""What calls to the models came to, in SQL: one row of sums for whatever attempts are grouped by.

Of deleted runs too: what was spent stays spent.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from persistence_service.runs.form import names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.form.usage_tables import EXPANSIONS
from persistence_service.schema.time_bucket import TimeBucket
from persistence_service.schema.visibility import everything

DAY_SECONDS: Final = 86_400
TOKENS: Final = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
COUNTS: Final = ("call_count", "uncertain_call_count")
MONEY: Final = ("cost_micros", "uncertain_micros")
_MILLION: Final = 1_000_000
_EVIDENT: Final = ATTEMPTS.c.evidence["cost"]

DAY: Final = TimeBucket(ATTEMPTS.c.start_time, DAY_SECONDS)
"""When the day of a call begins, in UTC."""
# Releases before 0018 left the cost in the evidence alone.
CURRENCY: Final = func.coalesce(ATTEMPTS.c.currency, _EVIDENT["currency"].as_string(), "")
CHARGED: Final = func.coalesce(
    ATTEMPTS.c.charged_micros, cast(_EVIDENT["micros"].as_numeric(20, 0), BigInteger)
)
WAS_MADE: Final = not_(and_(ATTEMPTS.c.state == names.FAILED, ATTEMPTS.c.latency_nanoseconds.is_(None)))
CALLER: Final = func.coalesce(RUNS.c.caller, EXPANSIONS.c.caller, "")
USER: Final = func.coalesce(RUNS.c.user_id, "")
WITH_OWNERS: Final[FromClause] = ATTEMPTS.outerjoin(
    RUNS, and_(RUNS.c.tenant == ATTEMPTS.c.tenant, RUNS.c.run_id == ATTEMPTS.c.run_id)
).outerjoin(
    EXPANSIONS,
    and_(EXPANSIONS.c.tenant == ATTEMPTS.c.tenant, EXPANSIONS.c.expansion_id == ATTEMPTS.c.run_id),
)
"""Attempts, each with its run, or its expansion."""


def measured() -> dict[str, ColumnElement[Any]]:
    """What one attempt adds to each sum."""
    uncertain = CHARGED.is_(None)
    return {
        "call_count": literal(1, Integer),
        "uncertain_call_count": case((uncertain, 1), else_=0),
        "cost_micros": func.coalesce(CHARGED, 0),
        "uncertain_micros": case((uncertain, func.coalesce(ATTEMPTS.c.most_micros, 0)), else_=0),
        **{name: func.coalesce(ATTEMPTS.c[name], 0) for name in TOKENS},
    }


def summed(columns: ReadOnlyColumnCollection[str, Any]) -> dict[str, ColumnElement[Any]]:
    """The sums, of money in two parts: SQLite's sums end at 64 bits, with an error."""
    found: dict[str, ColumnElement[Any]] = {}
    for name in (*COUNTS, *TOKENS):
        found[name] = func.sum(columns[name]).label(name)
    for name in MONEY:
        found[f"{name}_whole"] = func.sum(columns[name] // _MILLION).label(f"{name}_whole")
        found[f"{name}_rest"] = func.sum(columns[name] % _MILLION).label(f"{name}_rest")
    return found


def money(row: Any, name: str) -> int:
    """A sum of money that was read in two parts."""
    return int(row[f"{name}_whole"] or 0) * _MILLION + int(row[f"{name}_rest"] or 0)


def counted_micros(currency: str) -> Select[Any]:
    """What attempts count against caps in a currency: what was charged, or else the most that it may be."""
    amount = func.coalesce(CHARGED, ATTEMPTS.c.most_micros, 0)
    return everything(
        select(
            func.sum(amount // _MILLION).label("counted_whole"),
            func.sum(amount % _MILLION).label("counted_rest"),
        ).where(WAS_MADE, CURRENCY.in_([currency])),
        "what was spent on a deleted run stays spent",
    )


def of_caller(caller: str) -> ColumnElement[bool]:
    """Whether a run or an expansion is this caller's."""
    return or_(RUNS.c.caller == caller, EXPANSIONS.c.caller == caller)
