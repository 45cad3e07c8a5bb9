"""Sums of usage, a page of groups at a time: over the attempts that are there, and what purged runs left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, or_, select, union_all

from consensus.v1 import usage_service_pb2
from consensus_contract.steps import review_step
from persistence_service.runs import spent
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.usage_tables import USAGE
from persistence_service.schema.visibility import everything

_G = usage_service_pb2.UsageGrouping
# In the order in which pages go.
GROUPS: Final[Mapping[int, str]] = {
    _G.USAGE_GROUPING_DAY: "day",
    _G.USAGE_GROUPING_CALLER: "caller",
    _G.USAGE_GROUPING_USER: "user_id",
    _G.USAGE_GROUPING_RUN: "run_id",
    _G.USAGE_GROUPING_STEP: "step",
}
_DAY: Final = timedelta(days=1)
_MEASURES: Final = (*spent.COUNTS, *spent.MONEY, *spent.TOKENS)
_BECAUSE: Final = "what was spent on a deleted run stays spent"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which usage; a bound of None and an empty text: all."""

    tenant: str
    first_day: datetime | None
    last_day: datetime | None
    caller: str = ""
    user: str = ""
    run_id: str = ""
    persona_id: str = ""


def group_names(asked: Sequence[int]) -> list[str]:
    """The columns that are grouped by, the currency last."""
    return [name for number, name in GROUPS.items() if number in asked] + ["currency"]


def page(
    connection: Connection, wanted: Wanted, groups: Sequence[str], after: Sequence[Any] | None, limit: int
) -> Sequence[Mapping[Any, Any]]:
    """Groups with their sums, in the order of `groups`, the newest day first."""
    return connection.execute(_summed(wanted, groups, after).limit(limit)).mappings().all()


def _summed(wanted: Wanted, groups: Sequence[str], after: Sequence[Any] | None) -> Select[Any]:
    rows = union_all(_of_attempts(wanted), _of_purged(wanted)).subquery("spent")
    keys = [rows.c[name] for name in groups]
    statement = select(*keys, *spent.summed(rows.c).values()).group_by(*keys)
    if after is not None:
        statement = statement.where(_beyond(keys, after))
    return statement.order_by(*(key.desc() if key.name == "day" else key for key in keys))


def _beyond(keys: Sequence[ColumnElement[Any]], after: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a group comes after the one with these values: days fall, all else rises."""
    found: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for key, value in zip(keys, after, strict=True):
        given = literal(value, key.type)
        later = key < given if key.name == "day" else key > given
        found.append(and_(*same, later))
        same.append(key == given)
    return or_(*found)


def _of_attempts(wanted: Wanted) -> Select[Any]:
    keys = {
        "day": spent.DAY,
        "caller": spent.CALLER,
        "user_id": spent.USER,
        "run_id": ATTEMPTS.c.run_id,
        "step": ATTEMPTS.c.step,
        "currency": spent.CURRENCY,
    }
    measures = spent.measured()
    statement = everything(
        select(
            *(column.label(name) for name, column in keys.items()),
            *(measures[name].label(name) for name in _MEASURES),
        ).select_from(spent.WITH_OWNERS),
        _BECAUSE,
    ).where(ATTEMPTS.c.tenant == wanted.tenant, spent.WAS_MADE)
    if wanted.first_day is not None:
        statement = statement.where(ATTEMPTS.c.start_time >= wanted.first_day)
    if wanted.last_day is not None:
        statement = statement.where(ATTEMPTS.c.start_time < wanted.last_day + _DAY)
    if wanted.caller:
        statement = statement.where(spent.of_caller(wanted.caller))
    if wanted.user:
        statement = statement.where(spent.USER.in_([wanted.user]))
    if wanted.run_id:
        statement = statement.where(ATTEMPTS.c.run_id == wanted.run_id)
    if wanted.persona_id:
        statement = statement.where(ATTEMPTS.c.step == review_step(wanted.persona_id))
    return statement


def _of_purged(wanted: Wanted) -> Select[Any]:
    names = ("day", "caller", "user_id", "run_id", "step", "currency", *_MEASURES)
    statement = select(*(USAGE.c[name] for name in names)).where(USAGE.c.tenant == wanted.tenant)
    if wanted.first_day is not None:
        statement = statement.where(USAGE.c.day >= wanted.first_day)
    if wanted.last_day is not None:
        statement = statement.where(USAGE.c.day <= wanted.last_day)
    equal = {
        "caller": wanted.caller,
        "user_id": wanted.user,
        "run_id": wanted.run_id,
        "step": review_step(wanted.persona_id) if wanted.persona_id else "",
    }
    return statement.where(*(USAGE.c[name] == value for name, value in equal.items() if value))
