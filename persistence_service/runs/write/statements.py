"""The statements of the write path, made once: Core, with bound parameters or many rows each."""

from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Table,
    and_,
    bindparam,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from persistence_service.database.admission import AFTER_FENCE, CLOSED_STATES
from persistence_service.database.many import ForRows
from persistence_service.database.tenants import ForKeys, OldestLocked
from persistence_service.journal.tables import AUDIT_LOG, JournalRow, StreamHeadRow
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.human_tables import ESCALATIONS
from persistence_service.runs.form.payloads import PROPOSAL_COLUMNS, VERDICT_COLUMNS
from persistence_service.runs.form.tables import (
    MATERIALS,
    PAYLOADS,
    REVISIONS,
    RUNS,
    SETTINGS,
    SPECIFICATIONS,
    SPECIFIED_SETTINGS,
)
from persistence_service.runs.form.usage_tables import EXPANSIONS
from persistence_service.runs.write.locked_run import CHANGING_COLUMNS, RUN_COLUMNS
from persistence_service.schema.base import CLOCK, core_table
from persistence_service.schema.span import Later
from persistence_service.schema.visibility import both, everything
from persistence_service.webhooks.tables import DELIVERIES

JOURNAL = core_table(JournalRow)
HEADS = core_table(StreamHeadRow)

# Lock order: idempotency keys sorted, then run rows sorted, then new settings sorted. A run's row also holds
# the end of its journal, so that one lock serves both. A run that somebody else has locked is left out, and
# its operations wait for the next batch: the writer of all streams waits for nobody.
WHOLE_RUNS = both(select(*(RUNS.c[name] for name in RUN_COLUMNS)))
# Of deleted runs too: what may be done to one is judged once it is locked. The clock is read on the way:
# nobody waits for a lock here, so that it is as good as read afterwards; and so are the tenants that are on
# the move, of whose runs nothing is then done.
_RUN = (RUNS.c.tenant, RUNS.c.run_id)
LOCK_RUNS = ForKeys(
    WHOLE_RUNS.everything.add_columns(CLOCK.label("now"), CLOSED_STATES)
    .order_by(*_RUN)
    .with_for_update(skip_locked=True)
    .execution_options(**AFTER_FENCE)
    .where,
    *_RUN,
)


def claimable(now: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether nobody works on a run that waits for somebody.

    A lease that would last longer than two of its length was granted by a clock that was set back since: its
    holder would have renewed it.
    """
    end = RUNS.c.lease_expire_time
    free = or_(end.is_(None), end <= now, end > Later(now, 2 * RUNS.c.lease_microseconds))
    return and_(RUNS.c.state.in_([names.QUEUED, names.RUNNING]), or_(RUNS.c.state == names.QUEUED, free))


def _ended_between(began: ColumnElement[Any], ended: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a lease ended in a span in which nobody could renew it."""
    end = RUNS.c.lease_expire_time
    return and_(end.is_not(None), end > began, end <= ended)


def _instant(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=RUNS.c.create_time.type)


_POLICY_VERSION = everything(
    select(func.coalesce(SETTINGS.c.settings["policy_version"].as_string(), ""))
    .select_from(SPECIFICATIONS)
    .join(SETTINGS, SPECIFIED_SETTINGS)
    .where(SPECIFICATIONS.c.tenant == RUNS.c.tenant, SPECIFICATIONS.c.run_id == RUNS.c.run_id),
    "of a run that is looked for by what leaves out the deleted",
).scalar_subquery()
# A tenant that is on the move is worked for where it arrives. What none of those who ask can decide is left
# where it is, until its time is over.
_CLAIMABLE = (
    WHOLE_RUNS.visible.add_columns(_POLICY_VERSION.label("policy_version"))
    .where(claimable(_instant("now")), RUNS.c.tenant.not_in(bindparam("closed", expanding=True)))
    .where(
        or_(
            bindparam("any_version", type_=Boolean),
            _POLICY_VERSION.in_(bindparam("versions", expanding=True)),
            RUNS.c.expire_time <= _instant("now"),
        )
    )
)


LOCK_CLAIMABLE = OldestLocked(_CLAIMABLE, [RUNS.c.create_time], _RUN)
# But for those whose workers may be on their way back.
LOCK_CLAIMABLE_AFTER_OUTAGE = OldestLocked(
    _CLAIMABLE.where(not_(_ended_between(_instant("began"), _instant("ended")))), [RUNS.c.create_time], _RUN
)
_STATES = both(select(*_RUN, RUNS.c.state))
# A deleted run that somebody has locked is waited for like any other.
RUNS_THERE = ForKeys(_STATES.everything.where, *_RUN)
RUN_STATES = ForKeys(_STATES.visible.where, *_RUN)
_PROPOSALS = PAYLOADS[event_types.PROPOSAL]
_PROPOSAL = (_PROPOSALS.c.tenant, _PROPOSALS.c.run_id)
PROPOSALS_THERE = ForKeys(
    everything(select(*_PROPOSAL), "their runs are locked, and are judged").where, *_PROPOSAL
)

_REVIEWS = PAYLOADS[event_types.REVIEW]
_REVIEWED = (_REVIEWS.c.tenant, _REVIEWS.c.run_id)
VERDICTS = ForKeys(
    everything(
        select(*_REVIEWED, *(_REVIEWS.c[name] for name in VERDICT_COLUMNS)),
        "their runs are locked, and were judged",
    ).where,
    *_REVIEWED,
)


def _with_texts(table: Table, *columns: ColumnElement[Any] | Table, because: str) -> ForKeys:
    """These columns, and of each run of the table its proposal and its document, where it has one."""
    proposal = (_PROPOSALS.c[name] for name in PROPOSAL_COLUMNS)
    statement = everything(
        select(*columns, *proposal, MATERIALS.c.about, MATERIALS.c.document)
        .select_from(table)
        .outerjoin(
            _PROPOSALS, (_PROPOSALS.c.tenant == table.c.tenant) & (_PROPOSALS.c.run_id == table.c.run_id)
        )
        .outerjoin(
            MATERIALS, (MATERIALS.c.tenant == table.c.tenant) & (MATERIALS.c.run_id == table.c.run_id)
        ),
        because,
    )
    return ForKeys(statement.where, table.c.tenant, table.c.run_id)


REVISED = _with_texts(REVISIONS, REVISIONS, because="their runs are locked, and were judged")
TEXTS = _with_texts(RUNS, RUNS.c.tenant, RUNS.c.run_id, because="the run was looked for, and is there")

INSERT_RUNS = ForRows(insert(RUNS))
# Settings that are there, as nearly always, are neither locked nor written.
INSERT_SETTINGS = ForRows(insert(SETTINGS).on_conflict_do_nothing(index_elements=["tenant", "digest"]))
INSERT_SPECIFICATIONS = ForRows(insert(SPECIFICATIONS))
INSERT_REVISIONS = ForRows(insert(REVISIONS))
INSERT_MATERIALS = ForRows(insert(MATERIALS))
INSERT_ESCALATIONS = ForRows(insert(ESCALATIONS))
INSERT_DELIVERIES = ForRows(insert(DELIVERIES))
INSERT_JOURNAL = ForRows(insert(JOURNAL))
INSERT_HEADS = ForRows(insert(HEADS))
INSERT_EXPANSIONS = ForRows(
    insert(EXPANSIONS).on_conflict_do_nothing(index_elements=["tenant", "expansion_id"])
)
INSERT_PAYLOAD = {
    event_type: ForRows(insert(payload_table)) for event_type, payload_table in PAYLOADS.items()
}


@cache
def update_runs(columns: tuple[str, ...]) -> ForRows:
    """The statement that changes these columns, of which few combinations ever change together."""
    return ForRows(
        everything(
            update(RUNS)
            .where(RUNS.c.tenant == bindparam("of_tenant"), RUNS.c.run_id == bindparam("of_run_id"))
            .values({name: bindparam(f"new_{name}", type_=RUNS.c[name].type) for name in columns}),
            "the run is locked, and the change may be that it is deleted or restored",
        ),
        "of_tenant",
    )


update_runs(CHANGING_COLUMNS)  # so that one that cannot be shaped is found out at start, like those above


# An attempt's later state replaces the earlier; a STARTED that comes late, or again, replaces nothing. Hardly
# any does: it is inserted as a new one, and where it was none the batch is run again with ON CONFLICT, which
# writes two more records into PostgreSQL's WAL for every attempt.
INSERT_ATTEMPTS = ForRows(insert(ATTEMPTS))
ADD_ATTEMPTS = ForRows(insert(ATTEMPTS).on_conflict_do_nothing())
_GIVEN = {name: bindparam(f"new_{name}", type_=column.type) for name, column in ATTEMPTS.columns.items()}
_IS_GIVEN = tuple(column == _GIVEN[column.name] for column in ATTEMPTS.primary_key)
_KEPT = {column.name for column in ATTEMPTS.primary_key} | {"start_time"}
# What an end does not say again: the worker that goes away knows of its first calls only that they began.
_KEPT_UNLESS_GIVEN = {"currency", "most_micros", "price_version"}
UPDATE_ATTEMPTS = ForRows(
    everything(
        update(ATTEMPTS)
        .where(*_IS_GIVEN)
        .values(
            {
                name: func.coalesce(given, ATTEMPTS.c[name]) if name in _KEPT_UNLESS_GIVEN else given
                for name, given in _GIVEN.items()
                if name not in _KEPT
            }
        ),
        "their runs are locked, and were judged",
    ),
    "new_tenant",
)
_ATTEMPT = (ATTEMPTS.c.tenant, ATTEMPTS.c.run_id, ATTEMPTS.c.step, ATTEMPTS.c.attempt_number)
FIND_ATTEMPTS = ForKeys(
    everything(select(*_ATTEMPT), "their runs are locked, and were judged").where, *_ATTEMPT
)
ABANDON_ATTEMPTS = ForKeys(
    everything(update(ATTEMPTS), "their runs are locked, and were judged")
    .where(ATTEMPTS.c.state == names.STARTED)
    .values(state=names.UNKNOWN)
    .where,
    ATTEMPTS.c.tenant,
    ATTEMPTS.c.run_id,
)

_RECORD = (AUDIT_LOG.c.tenant, AUDIT_LOG.c.stream, AUDIT_LOG.c.record_id)
FIND_ACKS = ForKeys(
    select(
        *_RECORD,
        func.min(AUDIT_LOG.c.sequence).label("first_sequence"),
        func.max(AUDIT_LOG.c.sequence).label("last_sequence"),
        func.min(AUDIT_LOG.c.event_time).label("event_time"),
    )
    .group_by(*_RECORD)
    .where,
    *_RECORD,
)
