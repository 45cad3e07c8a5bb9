"""What runs are decided by, for many at once: specifications, reviews and decisions, without the texts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from consensus.v1 import run_pb2
from persistence_service.runs.form import decisions, event_types, names
from persistence_service.runs.form.payloads import verdict_message
from persistence_service.runs.form.people import note_people
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.form.specification import specification_message
from persistence_service.runs.form.suspicions import suspicion_messages
from persistence_service.runs.form.tables import PAYLOADS
from persistence_service.runs.read import repository
from persistence_service.runs.read.people import find_live
from persistence_service.schema.scalars import to_timestamp
from persistence_service.schema.visibility import both

_REVIEWS, _DECISIONS = PAYLOADS[event_types.REVIEW], PAYLOADS[event_types.DECISION]
_IDS: BindParameter[list[str]] = bindparam("run_ids", expanding=True)
_FIND_REVIEWS = both(
    select(
        _REVIEWS.c.run_id,
        _REVIEWS.c.persona_id,
        _REVIEWS.c.persona_name,
        _REVIEWS.c.confidence,
        _REVIEWS.c.blocking_issues_present,
        _REVIEWS.c.security_concerns_present,
        _REVIEWS.c.reused_from_run_id,
        _REVIEWS.c.content,
    ).where(_REVIEWS.c.tenant == bindparam("tenant"), _REVIEWS.c.run_id.in_(_IDS))
)
_FIND_DECISIONS = both(
    select(
        _DECISIONS.c.run_id,
        _DECISIONS.c.label,
        _DECISIONS.c.confidence,
        _DECISIONS.c.policy_version,
        _DECISIONS.c.content,
    ).where(_DECISIONS.c.tenant == bindparam("tenant"), _DECISIONS.c.run_id.in_(_IDS))
)

Row = Mapping[Any, Any]


def find_verdicts(
    connection: Connection, tenant: str, found: Sequence[Row], *, show_deleted: bool = False
) -> list[run_pb2.Run]:
    """These runs, which have a decision, each with what it is decided by; people's reviews too."""
    of_runs = {"tenant": tenant, "run_ids": [row["run_id"] for row in found]}
    reviews: dict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(_FIND_REVIEWS.shown(show_deleted), of_runs).mappings():
        reviews[row["run_id"]].append(row)
    decided = connection.execute(_FIND_DECISIONS.shown(show_deleted), of_runs).mappings()
    made = {row["run_id"]: row for row in decided}
    people = find_live(connection, tenant, of_runs["run_ids"], show_deleted=show_deleted)
    return [
        whole_run(repository.find_run(connection, tenant, row["run_id"], show_deleted=show_deleted))
        if any(each["reused_from_run_id"] for each in reviews[row["run_id"]])  # which may be stale
        else _run(row, reviews[row["run_id"]], made[row["run_id"]], people.get(row["run_id"], ()))
        for row in found
    ]


def _run(row: Row, reviews: Sequence[Row], decision: Row, people: Sequence[Row]) -> run_pb2.Run:
    run = run_pb2.Run(
        run_id=row["run_id"],
        state=names.run_state_number(row["state"]),
        create_time=to_timestamp(row["create_time"]),
        specification=specification_message(row),
        persona_reviews=[verdict_message(each) for each in reviews],
        decision=decisions.decision_message(decision),
        suspicions=suspicion_messages(
            row["suspicions"]
        ),  # of the proposal; others stand with what they are of
    )
    note_people(run, people)
    return run
