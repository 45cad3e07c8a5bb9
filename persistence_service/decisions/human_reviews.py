"""Statements over people's reviews."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from consensus_contract.errors import HumanReviewersFull
from consensus_contract.sizes import MAX_HUMAN_REVIEWERS
from persistence_service.journal.entries import Columns
from persistence_service.paging.keyset import beyond
from persistence_service.runs.decided import find_people
from persistence_service.runs.form.human_reviews import person_of
from persistence_service.runs.form.human_tables import HUMAN_REVIEWS
from persistence_service.schema.base import insert
from persistence_service.schema.visibility import visible

_OF_TENANT = visible(
    select(*(column for column in HUMAN_REVIEWS.c if column.name != "tenant")).where(
        HUMAN_REVIEWS.c.tenant == bindparam("tenant")
    )
)
_ORDER = (HUMAN_REVIEWS.c.create_time, HUMAN_REVIEWS.c.review_id)


def add(connection: Connection, row: Columns) -> None:
    """Inserts a review.

    Raises:
        HumanReviewersFull: as many others reviewed the run as may.
    """
    run_id = row["run_id"]
    people = find_people(connection, row["tenant"], run_id)
    if len(people | {person_of(row)}) > MAX_HUMAN_REVIEWERS:
        raise HumanReviewersFull(run_id=run_id, limit=MAX_HUMAN_REVIEWERS)
    connection.execute(insert(HUMAN_REVIEWS), row)


def page(
    connection: Connection, tenant: str, run_id: str, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Mapping[Any, Any]]:
    """The tenant's reviews by people, or those of one run, newest first; those that others replaced too."""
    statement = _OF_TENANT.order_by(*(column.desc() for column in _ORDER)).limit(limit)
    if run_id:
        statement = statement.where(HUMAN_REVIEWS.c.run_id == run_id)
    if after is not None:
        statement = statement.where(beyond(_ORDER, after, descending=True))
    return connection.execute(statement, {"tenant": tenant}).mappings().all()
