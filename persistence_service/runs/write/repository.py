"""Writes what a batch changed: a statement per table, each with many rows, all in one round trip."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from consensus.v1 import run_pb2
from consensus_contract.errors import IllegalState
from persistence_service.database.many import RowsRefused, Work, execute_all
from persistence_service.idempotency import repository as keys
from persistence_service.idempotency.keys import KeyScope, KeyTable, KeyUse
from persistence_service.journal.entries import Columns, run_stream
from persistence_service.journal.packing import pack
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.materials import describe
from persistence_service.runs.form.revisions import revision_message
from persistence_service.runs.write import statements
from persistence_service.runs.write.locked_run import Changes, LockedRun, Tracked
from persistence_service.runs.write.operations import PreparedRecord
from persistence_service.runs.write.outcomes import Ack, AttemptsThere, Conflicted
from persistence_service.runs.write.recomputing import Recorded, Row, second_review
from persistence_service.runs.write.spend_reads import UPDATE_COUNTERS


def take_keys(
    connection: Connection, uses: Sequence[KeyUse], now: datetime, expire_time: datetime
) -> KeyTable:
    """Inserts the keys that are new, waiting for whoever is about to, and finds the others.

    Raises:
        Conflicted: a key vanished meanwhile.
    """
    by_scope: dict[KeyScope, KeyUse] = {}
    for use in uses:
        by_scope.setdefault(use.scope, use)
    ordered = [by_scope[scope] for scope in sorted(by_scope)]
    new = keys.insert_new(connection, ordered, now, expire_time)
    missing = sorted(by_scope.keys() - new)
    existing = keys.find_holders(connection, missing) if missing else {}
    if len(existing) != len(missing):
        raise Conflicted(None)
    return KeyTable({scope: by_scope[scope] for scope in new}, existing)


def find_acks(connection: Connection, records: Iterable[tuple[RunKey, int]]) -> dict[tuple[RunKey, int], Ack]:
    """Acknowledgements of records that were committed before and left events."""
    wanted = [(key[0], run_stream(key[1]), record_id) for key, record_id in records]
    by_stream = {(key[0], run_stream(key[1])): key for key, _ in records}
    acks: dict[tuple[RunKey, int], Ack] = {}
    for row in statements.FIND_ACKS.rows(connection, wanted):
        key = by_stream[(row.tenant, row.stream)]
        acks[(key, row.record_id)] = Ack(row.record_id, row.first_sequence, row.last_sequence, row.event_time)
    return acks


def find_recorded(connection: Connection, parents: Mapping[RunKey, str]) -> dict[RunKey, Recorded]:
    """What decisions are computed from, of runs that are locked; each with the run that it revises."""
    reviews: dict[RunKey, list[Row]] = {key: [] for key in parents}
    for row in statements.VERDICTS.rows(connection, list(parents)):
        reviews[(row.tenant, row.run_id)].append(row._mapping)
    found = {key: Recorded(rows) for key, rows in reviews.items()}
    carried = [key for key, rows in reviews.items() if any(row["reused_from_run_id"] for row in rows)]
    if carried:
        for row in statements.REVISED.rows(connection, carried):
            key = (row.tenant, row.run_id)
            revised = run_pb2.RunSpecification(revision=revision_message(parents[key], row._mapping))
            found[key] = _recorded(reviews[key], row._mapping, revised)
    return found


def find_parent(connection: Connection, key: RunKey) -> Recorded:
    """What a revision takes over is held against: a completed run's reviews and its text."""
    reviews = [row._mapping for row in statements.VERDICTS.rows(connection, [key])]
    (texts,) = statements.TEXTS.rows(connection, [key])
    return _recorded(reviews, texts._mapping, run_pb2.RunSpecification())


def _recorded(reviews: Sequence[Row], texts: Row, specification: run_pb2.RunSpecification) -> Recorded:
    """With the texts of a row that may have a proposal, a document, both, or neither."""
    if texts["document"] is not None:
        describe(specification, texts["about"])
        specification.document.text = texts["document"]
    return Recorded(reviews, None if texts["problem_statement"] is None else texts, specification)


def find_silent_acks(
    connection: Connection, records: Sequence[tuple[RunKey, PreparedRecord]]
) -> dict[tuple[RunKey, int], Ack]:
    """Acknowledgements of records that left no event: of those whose attempts are there."""
    wanted = [
        (*key, attempt["step"], attempt["attempt_number"])
        for key, record in records
        for attempt in record.attempts
    ]
    rows = statements.FIND_ATTEMPTS.rows(connection, wanted) if wanted else ()
    there = {tuple(row) for row in rows}
    return {
        (key, record.record_id): Ack(record.record_id)
        for key, record in records
        if all((*key, each["step"], each["attempt_number"]) in there for each in record.attempts)
    }


def write(connection: Connection, runs: Sequence[Tracked], changes: Changes, table: KeyTable) -> None:
    """Writes all changes of a batch.

    Raises:
        Conflicted: a run's id, or a payload that may exist once only, was there before; or a key is to be
            another operation's than the one that it was inserted for.
        AttemptsThere: an attempt was there before, and the changes do not say that some may be.
    """
    if table.replaced:
        raise Conflicted(None)
    begun, ended = changes.attempt_rows()
    work = [*_insertions(runs, changes), *_updates(runs)]
    if changes.spend is not None:
        work.append((UPDATE_COUNTERS, changes.spend.changed()))
    begin = statements.ADD_ATTEMPTS if changes.attempts_may_be_there else statements.INSERT_ATTEMPTS
    work += [(begin, begun), (statements.UPDATE_ATTEMPTS, [_attempt_update(each) for each in ended])]
    changed = _execute(connection, work, changes)
    if ended and changed < len(ended):  # some had not begun, or begin and end in this batch
        _execute(connection, [(statements.ADD_ATTEMPTS, ended)], changes)
    if changes.abandoned:
        statements.ABANDON_ATTEMPTS.count(connection, sorted(changes.abandoned))
    if stale := table.stale:
        keys.remove(connection, stale)


def leave_journal(connection: Connection, runs: Sequence[Tracked], changes: Changes) -> None:
    """Writes the last entries of runs that are no longer there, and the ends of their journals."""
    heads = [_head_row(each) for each in runs]
    rows = pack(changes.entries)
    execute_all(connection, [(statements.INSERT_JOURNAL, rows), (statements.INSERT_HEADS, heads)])


def _insertions(runs: Sequence[Tracked], changes: Changes) -> Iterator[Work]:
    yield statements.INSERT_RUNS, [each.run.columns() for each in runs if each.is_new]
    # In one order, for whoever is about to insert the same ones is waited for.
    yield statements.INSERT_SETTINGS, [changes.settings[key] for key in sorted(changes.settings)]
    yield statements.INSERT_SPECIFICATIONS, changes.specifications
    yield statements.INSERT_REVISIONS, changes.revisions
    yield statements.INSERT_MATERIALS, changes.materials
    yield statements.INSERT_ESCALATIONS, changes.escalations
    yield statements.INSERT_EXPANSIONS, [changes.expansions[key] for key in sorted(changes.expansions)]
    yield statements.INSERT_DELIVERIES, changes.deliveries
    yield statements.INSERT_JOURNAL, pack(changes.entries)
    for event_type, rows in changes.payloads.items():
        yield statements.INSERT_PAYLOAD[event_type], rows


def _updates(runs: Sequence[Tracked]) -> Iterator[Work]:
    """Runs that were there, by the columns that changed: most records change the same few."""
    by_columns: dict[tuple[str, ...], list[Columns]] = {}
    for each in runs:
        if not each.is_new and each.is_changed and (columns := each.changed_columns()):
            by_columns.setdefault(columns, []).append(_run_update(each.run, columns))
    for columns, rows in by_columns.items():
        yield statements.update_runs(columns), rows


def _execute(connection: Connection, work: Sequence[Work], changes: Changes) -> int:
    try:
        return execute_all(connection, work)
    except RowsRefused as refused:
        for event_type, rows in changes.payloads.items():
            if refused.statement is statements.INSERT_PAYLOAD[event_type]:
                run_id = rows[0]["run_id"]
                if event_type == event_types.REVIEW:
                    personas = [row["persona_id"] for row in rows]
                    raise Conflicted(second_review(run_id, personas)) from refused
                refusal = IllegalState(run_id=run_id, state=names.RUNNING, operation=event_type)
                raise Conflicted(refusal) from refused
        if refused.statement is statements.INSERT_ATTEMPTS:
            raise AttemptsThere from refused
        if refused.statement is statements.INSERT_RUNS:
            raise Conflicted(None) from refused
        raise refused.error from None


def _head_row(tracked: Tracked) -> Columns:
    end = tracked.end
    return {
        "tenant": end.tenant,
        "stream": end.stream,
        "sequence": end.sequence,
        "hash": end.hash,
        "update_time": tracked.run.update_time,
    }


def _attempt_update(columns: Columns) -> Columns:
    return {f"new_{name}": value for name, value in columns.items()}


def _run_update(run: LockedRun, columns: Sequence[str]) -> Columns:
    values = {f"new_{name}": getattr(run, name) for name in columns}
    return {"of_tenant": run.tenant, "of_run_id": run.run_id, **values}
