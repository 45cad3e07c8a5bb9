"""What a batch reads and locks of spending, after its runs: no round trip where there are no caps.

Lock order: idempotency keys, runs, then counters, each sorted. Counters are waited for: what another process
sets aside in its transaction must be known before more is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from persistence_service.database.many import ForRows
from persistence_service.database.tenants import ForKeys, OldestLocked, per_statement
from persistence_service.journal.entries import Columns
from persistence_service.runs import spent
from persistence_service.runs.form import names
from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.runs.form.caps import CALLER_DAY, RUN, TENANT_DAY, Caps, ScopeKey, reset_of
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.form.usage_tables import SPEND
from persistence_service.runs.write.locked_run import Tracked
from persistence_service.runs.write.operations import Append, Create, Operation, RecordExpansion
from persistence_service.runs.write.outcomes import Conflicted, Refusal
from persistence_service.runs.write.spend_book import (
    NO_CAPS,
    REFUSED,
    AttemptKey,
    Counter,
    Known,
    SpendBook,
)
from persistence_service.schema.base import insert
from persistence_service.schema.visibility import everything

_DAY: Final = timedelta(days=1)
_SCOPE: Final = tuple(SPEND.c[name] for name in ScopeKey._fields)
_ATTEMPT: Final = (ATTEMPTS.c.tenant, ATTEMPTS.c.run_id, ATTEMPTS.c.step, ATTEMPTS.c.attempt_number)
ADD_COUNTERS: Final = insert(SPEND).on_conflict_do_nothing(index_elements=list(ScopeKey._fields))
LOCK_COUNTERS: Final = ForKeys(
    select(*_SCOPE, SPEND.c.caps_version, SPEND.c.micros).order_by(*_SCOPE).with_for_update().where, *_SCOPE
)
UPDATE_COUNTERS: Final = ForRows(
    update(SPEND)
    .where(*(SPEND.c[name] == bindparam(f"of_{name}", type_=SPEND.c[name].type) for name in ScopeKey._fields))
    .values(
        micros=bindparam("new_micros", type_=SPEND.c.micros.type),
        caps_version=bindparam("new_caps_version", type_=SPEND.c.caps_version.type),
    ),
    "of_tenant",
)
_OPEN_RUN: Final = everything(
    select(literal_column("1")).where(
        RUNS.c.tenant == SPEND.c.tenant, RUNS.c.run_id == SPEND.c.name, RUNS.c.state.in_(sorted(names.OPEN))
    ),
    "a run that is open is not deleted",
).exists()
OVER: Final = OldestLocked(
    select(*_SCOPE).where(
        SPEND.c.day < bindparam("before", type_=SPEND.c.day.type),
        or_(SPEND.c.kind.in_([CALLER_DAY, TENANT_DAY]), and_(SPEND.c.kind == RUN, not_(_OPEN_RUN))),
    ),
    _SCOPE,
    _SCOPE,
)
REMOVE_COUNTERS: Final = ForKeys(delete(SPEND).where, *_SCOPE)
KNOWN_ATTEMPTS: Final = ForKeys(
    everything(
        select(
            *_ATTEMPT,
            ATTEMPTS.c.start_time,
            ATTEMPTS.c.reason,
            ATTEMPTS.c.message,
            ATTEMPTS.c.evidence,
            spent.CURRENCY.label("counted_currency"),
            spent.CHARGED.label("charged"),
            ATTEMPTS.c.most_micros,
        ),
        "their runs are locked, and were judged",
    ).where,
    *_ATTEMPT,
)


class _Call(NamedTuple):
    """An attempt that a batch is about to write, and whose it is."""

    key: RunKey
    caller: str
    columns: Columns
    instant: datetime

    @property
    def identity(self) -> AttemptKey:
        return (*self.key, self.columns["step"], self.columns["attempt_number"])


def open_book(
    connection: Connection,
    caps: Caps | None,
    operations: Sequence[Operation],
    runs: Mapping[RunKey, Tracked],
    now: datetime,
) -> SpendBook:
    """The counters of whatever the operations begin or end, under their locks."""
    if caps is None:
        return NO_CAPS
    calls = list(_calls(operations, runs, now))
    known = known_attempts(connection, [call.identity for call in calls], caps.currency)
    begun, ended = set(_new_scopes(caps, operations, now)), set[ScopeKey]()
    for call in calls:
        before = known.get(call.identity)
        instant = call.instant if before is None else before.start_time
        found = {scope for scope, _ in caps.scopes(call.key[0], call.caller, call.key[1], instant)}
        (begun if before is None else ended).update(found)
    return SpendBook(caps, _locked(connection, caps, begun, ended), known)


def refusals_of(connection: Connection, key: RunKey, attempts: Iterable[Columns]) -> tuple[Refusal, ...]:
    """Which attempts of a record that is repeated were refused when it was committed."""
    wanted = [(*key, each["step"], each["attempt_number"]) for each in attempts]
    known = known_attempts(connection, wanted, "")
    return tuple(each.refusal for each in known.values() if each.refusal is not None)


def known_attempts(
    connection: Connection, wanted: Sequence[AttemptKey], currency: str
) -> dict[AttemptKey, Known]:
    """Attempts as they are recorded, and what they count for in a currency."""
    rows = KNOWN_ATTEMPTS.rows(connection, sorted(set(wanted))) if wanted else ()
    found = [row._mapping for row in rows]
    return {tuple(row[column.name] for column in _ATTEMPT): _known(row, currency) for row in found}


def _known(row: Mapping[Any, Any], currency: str) -> Known:
    counted = row["charged"] if row["charged"] is not None else row["most_micros"]
    refusal = None
    if row["reason"] == REFUSED:
        cap = (row["evidence"] or {}).get("cause", "")
        reset = reset_of(cap, row["start_time"])
        refusal = Refusal(row["step"], row["attempt_number"], cap, row["message"] or "", reset)
    is_counted = refusal is None and row["counted_currency"] == currency
    return Known(row["start_time"], int(counted or 0) if is_counted else 0, refusal)


def _calls(operations: Sequence[Operation], runs: Mapping[RunKey, Tracked], now: datetime) -> Iterator[_Call]:
    for operation in operations:
        match operation:
            case Create(first_record=record) if record is not None and operation.key not in runs:
                for columns in record.attempts:
                    yield _Call(operation.key, operation.scope.caller, columns, now)
            case Append() if operation.key in runs:
                run = runs[operation.key].run
                for columns in operation.record.attempts:
                    yield _Call(operation.key, run.caller, columns, run.moment(now))
            case RecordExpansion():
                key = (operation.scope.tenant, operation.expansion_id)
                for columns in operation.attempts:
                    yield _Call(key, operation.scope.caller, columns, now)


def _new_scopes(caps: Caps, operations: Sequence[Operation], now: datetime) -> Iterator[ScopeKey]:
    """Those of runs that are to wait for a process: whether their caps are used up is asked at once."""
    for operation in operations:
        if isinstance(operation, Create):
            tenant, caller = operation.scope.tenant, operation.scope.caller
            yield from (scope for scope, _ in caps.scopes(tenant, caller, operation.run_id, now))


def _locked(
    connection: Connection, caps: Caps, begun: set[ScopeKey], ended: set[ScopeKey]
) -> dict[ScopeKey, Counter]:
    if not begun and not ended:
        return {}
    if begun:
        add_counters(connection, sorted(begun))
    counters: dict[ScopeKey, Counter] = {}
    for row in LOCK_COUNTERS.rows(connection, sorted(begun | ended)):
        scope = ScopeKey(*(row._mapping[name] for name in ScopeKey._fields))
        is_current = row.caps_version == caps.version
        micros = row.micros if is_current else _counted(connection, caps.currency, scope)
        counters[scope] = Counter(micros, is_changed=not is_current)
    if not begun <= counters.keys():
        raise Conflicted(None)  # one was purged meanwhile: it is counted anew
    return counters


def add_counters(connection: Connection, scopes: Sequence[ScopeKey]) -> None:
    """Inserts those that are not there, in their order; they count nothing yet."""
    rows = [{**scope._asdict(), "caps_version": "", "micros": 0} for scope in scopes]
    for some in per_statement(connection, rows, itemgetter("tenant")):
        connection.execute(ADD_COUNTERS, some)


def purge_counters(connection: Connection, before: datetime, max_count: int) -> int:
    """Removes counters of days before an instant, and of runs that are over; how many. Who needs one counts
    it anew.
    """
    scopes = [tuple(row) for row in OVER.rows(connection, max_count, before=before)]
    if scopes:
        REMOVE_COUNTERS.count(connection, scopes)
    return len(scopes)


def _counted(connection: Connection, currency: str, scope: ScopeKey) -> int:
    """What the recorded attempts count for, read under the counter's lock."""
    statement: Select[Any] = spent.counted_micros(currency).where(ATTEMPTS.c.tenant == scope.tenant)
    if scope.kind == RUN:
        statement = statement.select_from(ATTEMPTS).where(ATTEMPTS.c.run_id == scope.name)
    else:
        begin, end = scope.day, scope.day + _DAY
        statement = statement.where(ATTEMPTS.c.start_time >= begin, ATTEMPTS.c.start_time < end)
        statement = statement.select_from(spent.WITH_OWNERS if scope.kind == CALLER_DAY else ATTEMPTS)
        if scope.kind == CALLER_DAY:
            statement = statement.where(spent.of_caller(scope.name))
    return spent.money(connection.execute(statement).mappings().one(), "counted")
