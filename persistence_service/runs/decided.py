"""Decided runs as other rooms ask for them."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, bindparam, select

from consensus.v1 import run_pb2
from consensus_contract.errors import RunNotDecided, RunNotFound
from persistence_service.runs.form.human_reviews import person_of
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.read.decided import find_decided
from persistence_service.runs.read.people import find_live
from persistence_service.runs.read.reader import RunReader
from persistence_service.schema.visibility import visible

RUNS_PER_READ = 20
"""Runs that are read in one transaction; what is made of them is held while the reader takes it."""

Made = TypeVar("Made")

_FIND_STATE = visible(
    select(RUNS.c.state, RUNS.c.decision_label).where(
        RUNS.c.tenant == bindparam("tenant"), RUNS.c.run_id == bindparam("run_id")
    )
).with_for_update(read=True)


def hold_run(connection: Connection, tenant: str, run_id: str) -> str:
    """The run's state; it is not purged before the transaction ends.

    Raises:
        RunNotFound: the tenant has no such run.
    """
    return str(_held(connection, tenant, run_id).state)


def hold_decided(connection: Connection, tenant: str, run_id: str) -> None:
    """As `hold_run`, of a run that has a decision.

    Raises:
        RunNotFound: the tenant has no such run.
        RunNotDecided: it has none.
    """
    row = _held(connection, tenant, run_id)
    if row.decision_label is None:
        raise RunNotDecided(run_id=run_id, state=row.state)


def find_people(connection: Connection, tenant: str, run_id: str) -> set[tuple[str, str]]:
    """Who reviewed the run beside its panel."""
    return {person_of(row) for row in find_live(connection, tenant, [run_id]).get(run_id, ())}


def _held(connection: Connection, tenant: str, run_id: str) -> Row[Any, Any]:
    row = connection.execute(_FIND_STATE, {"tenant": tenant, "run_id": run_id}).one_or_none()
    if row is None:
        raise RunNotFound(run_id=run_id)
    return row


class DecidedRuns:
    """Reads decided runs, one or many."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader

    async def whole(self, tenant: str, run_id: str) -> run_pb2.Run:
        """The decided run with all that is recorded of it, however large.

        Raises:
            RunNotFound: the tenant has no such run.
            RunNotDecided: it has no decision.
        """
        run = await self._reader.uncut_run((tenant, run_id))
        if not run.HasField("decision"):
            state = run_pb2.RunState.Name(run.state).removeprefix("RUN_STATE_")
            raise RunNotDecided(run_id=run_id, state=state)
        return run

    async def newest_first(
        self, tenant: str, wanted: run_pb2.RunFilter, make: Callable[[run_pb2.Run], Made]
    ) -> AsyncIterator[list[Made]]:
        """What is made of those that the filter wants, some at a time; nothing is held open between.

        Made where they are read: so that large runs are held by as many threads as the pool has, and not by
        every reader who takes their time.
        """
        position: list[Any] | None = None
        while True:

            def find(
                connection: Connection, after: list[Any] | None = position
            ) -> tuple[list[Made], list[Any] | None]:
                page = find_decided(connection, tenant, wanted, after, RUNS_PER_READ)
                return [make(run) for run in page.runs], page.position

            made, position = await self._reader.read(tenant, find, "runs")
            if made:
                yield made
            if position is None:
                return
