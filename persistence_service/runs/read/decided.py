"""Decided runs, newest first, each with what it was decided by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from consensus.v1 import run_pb2
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.read import repository
from persistence_service.runs.read.listing import newest_first
from persistence_service.runs.read.verdicts import find_verdicts
from persistence_service.schema.scalars import microseconds


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
    runs = find_verdicts(connection, tenant, found)
    if len(found) < limit:
        return DecidedPage(runs, None)
    return DecidedPage(runs, [microseconds(found[-1]["create_time"]), found[-1]["run_id"]])
