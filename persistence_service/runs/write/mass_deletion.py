"""Deleting and restoring many runs in one transaction, beside the writer's batches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, literal_column

from consensus_contract.errors import IllegalState
from persistence_service.idempotency.keys import KeyTable
from persistence_service.journal.append import DatabaseClock
from persistence_service.runs.form import names
from persistence_service.runs.form.keys import RunScope
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.write import interventions, repository
from persistence_service.runs.write.locked_run import Changes, Tracked, tracked_run
from persistence_service.runs.write.statements import WHOLE_RUNS

# In the order in which everybody locks runs.
LOCK_OF_USER = (
    WHOLE_RUNS.visible.where(
        RUNS.c.tenant == bindparam("tenant"),
        RUNS.c.user_id == bindparam("user"),
        RUNS.c.user_id != literal_column("''"),  # so that both databases see that the index serves
    )
    .order_by(RUNS.c.tenant, RUNS.c.run_id)
    .with_for_update()
)
LOCK_OF_DELETION = (
    WHOLE_RUNS.everything.where(
        RUNS.c.tenant == bindparam("tenant"), RUNS.c.deletion_id == bindparam("deletion")
    )
    .order_by(RUNS.c.tenant, RUNS.c.run_id)
    .with_for_update()
)


def lock_of_user(connection: Connection, tenant: str, user: str) -> None:
    """Nobody else changes the user's runs until the transaction ends."""
    _locked(connection, LOCK_OF_USER, {"tenant": tenant, "user": user})


def delete_of_user(connection: Connection, scope: RunScope, user: str, deletion_id: str, at: datetime) -> int:
    """Deletes all runs that were started for a user, as of one instant; how many.

    Raises:
        IllegalState: one has not ended; names all of those.
    """
    runs = _locked(connection, LOCK_OF_USER, {"tenant": scope.tenant, "user": user})
    running = [each.run for each in runs if each.run.state in names.OPEN]
    if running:
        first, ids = running[0], [run.run_id for run in running]
        raise IllegalState(run_id=first.run_id, state=first.state, operation="delete", run_ids=ids)
    changes = Changes()
    for each in runs:
        interventions.delete(changes, each, scope, deletion_id, each.run.moment(at))
        each.run.delete_time = at
    repository.write(connection, runs, changes, KeyTable({}, {}))
    return len(runs)


def undelete_deletion(connection: Connection, clock: DatabaseClock, scope: RunScope, deletion_id: str) -> int:
    """Restores all runs that went with a deletion; how many."""
    runs = _locked(connection, LOCK_OF_DELETION, {"tenant": scope.tenant, "deletion": deletion_id})
    changes, now = Changes(), clock(connection)
    for each in runs:
        interventions.undelete(changes, each, scope, each.run.moment(now))
    repository.write(connection, runs, changes, KeyTable({}, {}))
    return len(runs)


def _locked(connection: Connection, lock: Select[Any], parameters: dict[str, str]) -> Sequence[Tracked]:
    return [tracked_run(dict(row)) for row in connection.execute(lock, parameters).mappings()]
