"""Removing runs for good. Their journals stay, with an entry that says so, and can be verified."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Executable,
    Select,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from persistence_service.database import partitions
from persistence_service.database.partitions import Span
from persistence_service.database.tenants import ForKeys, OldestLocked
from persistence_service.journal.append import DatabaseClock
from persistence_service.journal.entries import NOBODY
from persistence_service.runs import spent
from persistence_service.runs.form import entries, names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.human_tables import ESCALATIONS, HUMAN_REVIEWS, OVERRIDES, RESOLUTIONS
from persistence_service.runs.form.keys import RunKey, RunScope
from persistence_service.runs.form.outcome_tables import OUTCOMES
from persistence_service.runs.form.partitioned import PARTITIONED, TABLES
from persistence_service.runs.form.tables import MATERIALS, RUNS, SPECIFICATIONS
from persistence_service.runs.form.usage_tables import EXPANSIONS, USAGE
from persistence_service.runs.write import repository
from persistence_service.runs.write.locked_run import Changes, tracked_run
from persistence_service.runs.write.statements import WHOLE_RUNS
from persistence_service.schema.base import insert
from persistence_service.schema.visibility import everything

SOON = timedelta(hours=1)
"""Where runs are partitioned: how long after its partition a run may end, to go with it."""

_PURGED = "removes what is old, deleted or not"
_BEFORE = bindparam("before", type_=RUNS.c.create_time.type)
# Runs that somebody has locked are left for the next round.
_RUN = (RUNS.c.tenant, RUNS.c.run_id)
LOCK_DELETED_BEFORE = OldestLocked(
    WHOLE_RUNS.everything.where(RUNS.c.delete_time < _BEFORE), [RUNS.c.delete_time], _RUN
)
_ENDED_BEFORE = WHOLE_RUNS.everything.where(
    RUNS.c.finish_time < _BEFORE, RUNS.c.state.not_in(sorted(names.OPEN))
)
LOCK_ENDED_BEFORE = OldestLocked(_ENDED_BEFORE, [RUNS.c.finish_time], _RUN)
# Where runs are partitioned: but for those whose partition is not over yet.
LOCK_OVER_BEFORE = OldestLocked(
    _ENDED_BEFORE.where(or_(RUNS.c.run_id < bindparam("from_id"), RUNS.c.run_id >= bindparam("to_id"))),
    [RUNS.c.finish_time],
    _RUN,
)


def _removal(*tables: Table) -> tuple[ForKeys, ...]:
    return tuple(
        ForKeys(everything(delete(table), _PURGED).where, table.c.tenant, table.c.run_id) for table in tables
    )


# The run goes first: what belongs to it is kept by the database as long as it stands.
_REMOVE = _removal(
    *(RUNS, SPECIFICATIONS, MATERIALS, ATTEMPTS),
    *(OUTCOMES, OVERRIDES, ESCALATIONS, RESOLUTIONS, HUMAN_REVIEWS),
)
# After it what was written of it, unless its partition goes as a whole.
_REMOVE_TEXTS = _removal(*TABLES)

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
        KEEP_USAGE.count(connection, keys)
        _remove(connection, _REMOVE_EXPANSIONS, keys)
    return len(keys)


def purge_deleted(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes runs that were deleted before an instant; how many."""
    return _purge(clock, connection, LOCK_DELETED_BEFORE, {"before": before}, max_count, "deleted")


def purge_ended(clock: DatabaseClock, connection: Connection, before: datetime, max_count: int) -> int:
    """Removes runs that ended before an instant, deleted or not; how many.

    Where runs are partitioned, those of a partition go together once it is over, and what was written of
    them goes with it.
    """
    spans = partitions.spans(connection, PARTITIONED)
    if not spans:
        return _purge(clock, connection, LOCK_ENDED_BEFORE, {"before": before}, max_count, "age")
    over = spans_over(spans, before)
    waits_from = over[-1].upper if over else spans[0].lower
    # Runs that began in a partition ended soon after it, all but a few, which go with the next: else all that
    # waits would be looked at again and again.
    soon = min(before, partitions.instant_of(waits_from) + SOON)
    terms = {"before": soon, "from_id": waits_from, "to_id": spans[-1].upper}
    return _purge(clock, connection, LOCK_OVER_BEFORE, terms, max_count, "age", over)


def spans_over(spans: Sequence[Span], before: datetime) -> list[Span]:
    """Those whose runs have ended before an instant, but for a few that took long."""
    return [span for span in spans if span.upper <= partitions.id_at(before - SOON)]


def _purge(
    clock: DatabaseClock,
    connection: Connection,
    lock: OldestLocked,
    terms: Mapping[str, Any],
    max_count: int,
    because: str,
    dropped: Sequence[Span] = (),
) -> int:
    """Removes what the statement locks; `dropped` are spans whose partitions go as a whole."""
    purged = [tracked_run(dict(row._mapping)) for row in lock.rows(connection, max_count, **terms)]
    if not purged:
        return 0
    changes, now = Changes(), clock(connection)
    for each in purged:
        scope = RunScope(each.run.tenant, NOBODY.caller, NOBODY.request_id)
        moment = each.run.moment(now)
        changes.journal(each, entries.run_purged_entry(because), scope, moment)
    keys = sorted(each.run.key for each in purged)
    KEEP_USAGE.count(connection, keys)
    _remove(connection, _REMOVE, keys)
    _remove(connection, _REMOVE_TEXTS, [key for key in keys if not partitions.held(dropped, key[1])])
    repository.leave_journal(connection, purged, changes)
    return len(purged)


def _remove(connection: Connection, statements: Sequence[ForKeys], keys: Sequence[RunKey]) -> None:
    for statement in statements if keys else ():
        statement.count(connection, keys)


def _orphans(table: Table) -> Delete:
    """What is left in a span of runs that are gone, some of it."""
    stands: Select[Any] = everything(select(literal_column("1")), _PURGED).where(
        RUNS.c.tenant == table.c.tenant, RUNS.c.run_id == table.c.run_id
    )
    found = everything(select(*table.primary_key), _PURGED).where(
        table.c.run_id >= bindparam("lower"),
        table.c.run_id < bindparam("upper"),
        stands.scalar_subquery().is_(None),
    )
    key = tuple_(*table.primary_key)
    return everything(delete(table), _PURGED).where(key.in_(found.limit(bindparam("max_count"))))


_REMOVE_ORPHANS = tuple(_orphans(table) for table in TABLES)


def purge_orphans(connection: Connection, before: datetime, max_count: int) -> int:
    """Removes what stands of purged runs in partitions that long runs keep from being dropped; how many rows.

    Such a partition is waited for until the next one is over as well.
    """
    overdue = spans_over(partitions.spans(connection, PARTITIONED), before)[:-1]
    return sum(
        connection.execute(
            statement, {"lower": span.lower, "upper": span.upper, "max_count": max_count}
        ).rowcount
        for span in overdue
        for statement in _REMOVE_ORPHANS
    )
