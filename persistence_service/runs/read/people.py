"""The reviews by people that are live, for many runs at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, bindparam, case, select

from persistence_service.runs.form.human_tables import HUMAN_REVIEWS
from persistence_service.schema.newest import RUN_IDS, newest_of_runs
from persistence_service.schema.visibility import both


def _person(rows: FromClause) -> Sequence[ColumnElement[str]]:
    """The user, or the caller where it acted for nobody."""
    return rows.c.user_id, case((rows.c.user_id != "", ""), else_=rows.c.caller)


_LIVE = newest_of_runs(HUMAN_REVIEWS, "review_id", _person)
_REVIEWED = both(
    select(HUMAN_REVIEWS.c.run_id)
    .where(HUMAN_REVIEWS.c.tenant == bindparam("tenant"), HUMAN_REVIEWS.c.run_id.in_(RUN_IDS))
    .distinct()
)


def find_live(
    connection: Connection, tenant: str, run_ids: Sequence[str], *, show_deleted: bool = False
) -> dict[str, list[Mapping[Any, Any]]]:
    """By run, where it has any: the newest review of each person."""
    found: dict[str, list[Mapping[Any, Any]]] = {}
    of_runs = {"tenant": tenant, "run_ids": run_ids}
    for row in connection.execute(_LIVE.shown(show_deleted), of_runs).mappings():
        found.setdefault(row["run_id"], []).append(row)
    return found


def find_reviewed(
    connection: Connection, tenant: str, run_ids: Sequence[str], *, show_deleted: bool = False
) -> set[str]:
    """Those of these runs that people reviewed."""
    of_runs = {"tenant": tenant, "run_ids": run_ids}
    return set(connection.execute(_REVIEWED.shown(show_deleted), of_runs).scalars())
