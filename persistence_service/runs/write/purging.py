"""Removing runs for good. Their journals stay, with an entry that says so, and can be verified."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Executable, bindparam, delete, func, select

from persistence_service.database.tenants import ForKeys, OldestLocked
from persistence_service.journal.append import DatabaseClock
from persistence_service.journal.entries import NOBODY
from persistence_service.runs import spent
from persistence_service.runs.form import entries, names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.human_tables import ESCALATIONS, HUMAN_REVIEWS, OVERRIDES, RESOLUTIONS
from persistence_service.runs.form.keys import RunKey, RunScope
from persistence_service.runs.form.outcome_tables import OUTCOMES
from persistence_service.runs.form.tables import MATERIALS, PAYLOADS, REVISIONS, RUNS, SPECIFICATIONS
from persistence_service.runs.form.usage_tables import EXPANSIONS, USAGE
from persistence_service.runs.write import repository
from persistence_service.runs.write.locked_run import Changes, tracked_run
from persistence_service.runs.write.statements import WHOLE_RUNS
from persistence_service.schema.base import insert
from persistence_service.schema.visibility import everything

_PURGED = "removes what is old, deleted or not"
_BEFORE = bindparam("before", type_=RUNS.c.create_time.type)
# Runs that somebody has locked are left for the next round.
LOCK_DELETED_BEFORE = OldestLocked(
    WHOLE_RUNS.everything.where(RUNS.c.delete_time < _BEFORE),
    [RUNS.c.delete_time],
    [RUNS.c.tenant, RUNS.c.run_id],
)
LOCK_ENDED_BEFORE = OldestLocked(
    WHOLE_RUNS.everything.where(RUNS.c.finish_time < _BEFORE, RUNS.c.state.not_in(sorted(names.OPEN))),
    [RUNS.c.finish_time],
    [RUNS.c.tenant, RUNS.c.run_id],
)
# The run goes first: what belongs to it is kept by the database as long as it stands.
REMOVE = tuple(
    ForKeys(everything(delete(table), _PURGED).where, table.c.tenant, table.c.run_id)
    for table in (
        *(RUNS, SPECIFICATIONS, MATERIALS, REVISIONS, *PAYLOADS.values(), ATTEMPTS),
        *(OUTCOMES, OVERRIDES, ESCALATIONS, RESOLUTIONS, HUMAN_REVIEWS),
    )
)

_KEPT = {
    "tenant": ATTEMPTS.c.tenant, "run_id": ATTEMPTS.c.run_id, "day": spent.DAY, "step": ATTEMPTS.c.step,
    "currency": spent.CURRENCY, "caller": spent.CALLER, "user_id": spent.USER,
}  # fmt: skip
_MEASURED = spent.measured()


def _keep_usage(condition: ColumnElement[bool]) -> Executable:
    """What the calls came to of runs, or expansions, that a condition names."""
    sums = everything(
        select(*_KEPT.values(), *(func.sum(each) for each in _MEASURED.values())).select_from(
            spent.WITH_OWNERS
        ),
        _PURGED,
    )
    return insert(USAGE).from_select(
        [*_KEPT, *_MEASURED], sums.where(condition, spent.WAS_MADE).group_by(*_KEPT.values())
    )


# What was spent stays: it is money, and says nothing of what was written.
KEEP_USAGE = ForKeys(_keep_usage, ATTEMPTS.c.tenant, ATTEMPTS.c.run_id)

_OLD_EXPANSIONS = OldestLocked(
    everything(select(EXPANSIONS.c.tenant, EXPANSIONS.c.expansion_id), _PURGED).where(
        EXPANSIONS.c.create_time < _BEFORE
    ),
    [EXPANSIONS.c.create_time],
    [EXPANSIONS.c.tenant, EXPANSIONS.c.expansion_id],
)
_REMOVE_EXPANSIONS = tuple(
    ForKeys(everything(delete(table), _PURGED).where, table.c.tenant, name)
    for table, name in ((ATTEMPTS, ATTEMPTS.c.run_id), (EXPANSIONS, EXPANSIONS.c.expansion_id))
)


def purge_expansions(connection: Connection, before: datetime, max_count: int) -> int:
    """Removes expansions that belong to no run and began before an instant; how many."""
    rows = _OLD_EXPANSIONS.rows(connection, max_count, before=before)
    if keys := sorted((row.tenant, row.expansion_id) for row in rows):
        _remove(connection, _REMOVE_EXPANSIONS, keys)
    return len(keys)


def purge_deleted(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes runs that were deleted before an instant; how many."""
    return _purge(clock, connection, LOCK_DELETED_BEFORE, before, max_count, "deleted")


def purge_ended(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes runs that ended before an instant, deleted or not; how many."""
    return _purge(clock, connection, LOCK_ENDED_BEFORE, before, max_count, "age")


def _purge(
    clock: DatabaseClock,
    connection: Connection,
    lock: OldestLocked,
    before: datetime,
    max_count: int,
    because: str,
) -> int:
    purged = [tracked_run(dict(row._mapping)) for row in lock.rows(connection, max_count, before=before)]
    if not purged:
        return 0
    changes, now = Changes(), clock(connection)
    for each in purged:
        scope = RunScope(each.run.tenant, NOBODY.caller, NOBODY.request_id)
        moment = each.run.moment(now)
        changes.journal(each, entries.run_purged_entry(because), scope, moment)
    _remove(connection, REMOVE, sorted(each.run.key for each in purged))
    repository.leave_journal(connection, purged, changes)
    return len(purged)


def _remove(connection: Connection, statements: Sequence[ForKeys], keys: Sequence[RunKey]) -> None:
    KEEP_USAGE.count(connection, keys)
    for statement in statements:
        statement.count(connection, keys)
