"""What decisions were made of, for many runs at once: specifications and reviews, without the texts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from consensus.v1 import run_pb2
from persistence_service.runs.form import decisions, event_types, names
from persistence_service.runs.form.payloads import verdict_message
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.form.specification import specification_message
from persistence_service.runs.form.suspicions import suspicion_messages
from persistence_service.runs.form.tables import PAYLOADS, RUNS
from persistence_service.runs.read import repository
from persistence_service.runs.read.listing import newest_first
from persistence_service.schema.scalars import microseconds, to_timestamp
from persistence_service.schema.visibility import visible

_REVIEWS, _DECISIONS = PAYLOADS[event_types.REVIEW], PAYLOADS[event_types.DECISION]
_IDS: BindParameter[list[str]] = bindparam("run_ids", expanding=True)
_FIND_REVIEWS = visible(
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
_FIND_DECISIONS = visible(
    select(
        _DECISIONS.c.run_id,
        _DECISIONS.c.label,
        _DECISIONS.c.confidence,
        _DECISIONS.c.policy_version,
        _DECISIONS.c.content,
    ).where(_DECISIONS.c.tenant == bindparam("tenant"), _DECISIONS.c.run_id.in_(_IDS))
)


@dataclass(frozen=True, slots=True)
class DecidedPage:
    """Some decided runs, and where the next page begins; None on the last."""

    runs: Sequence[run_pb2.Run]
    position: list[Any] | None


def find_decided(
    connection: Connection, tenant: str, wanted: run_pb2.RunFilter, position: list[Any] | None, limit: int
) -> DecidedPage:
    """Runs with a decision, newest first: id, times, specification, reviews and decision of each."""
    statement = newest_first(repository.RUNS_WITH_SPECIFICATION.visible, tenant, wanted, position, limit)
    found = connection.execute(statement.where(RUNS.c.decision_label.is_not(None))).mappings().all()
    of_runs = {"tenant": tenant, "run_ids": [row["run_id"] for row in found]}
    reviews: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
    for row in connection.execute(_FIND_REVIEWS, of_runs).mappings():
        reviews[row["run_id"]].append(row)
    made = {row["run_id"]: row for row in connection.execute(_FIND_DECISIONS, of_runs).mappings()}
    runs = [
        whole_run(repository.find_run(connection, tenant, row["run_id"]))
        if any(each["reused_from_run_id"] for each in reviews[row["run_id"]])  # which may be stale
        else _run(row, reviews[row["run_id"]], made[row["run_id"]])
        for row in found
    ]
    if len(found) < limit:
        return DecidedPage(runs, None)
    return DecidedPage(runs, [microseconds(found[-1]["create_time"]), found[-1]["run_id"]])


def _run(
    row: Mapping[Any, Any], reviews: Sequence[Mapping[Any, Any]], decision: Mapping[Any, Any]
) -> run_pb2.Run:
    return run_pb2.Run(
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
