"""Writes what a batch changed: a statement per table, each with many rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert
from sqlalchemy.exc import IntegrityError

from consensus_rpc.errors import ConsensusError, IllegalState
from persistence_service.database.many import execute_many
from persistence_service.idempotency.claims import Claim, KeyScope, KeyTable
from persistence_service.journal.entries import Columns, run_stream
from persistence_service.runs import names, statements
from persistence_service.runs.locked import Changes, Tracked
from persistence_service.runs.operations import Ack, RunKey
from persistence_service.writer import Conflicted


def claim_keys(
    connection: Connection, claims: Sequence[Claim], now: datetime, expire_time: datetime
) -> KeyTable:
    """Inserts the keys that are new, waiting for whoever is about to, and finds the others.

    Raises:
        Conflicted: a key vanished meanwhile.
    """
    by_scope: dict[KeyScope, Claim] = {}
    for claim in claims:
        by_scope.setdefault(claim.scope, claim)
    rows = [_key_row(by_scope[scope], now, expire_time) for scope in sorted(by_scope)]
    new = {KeyScope(*row) for row in connection.execute(statements.INSERT_KEYS, rows)}
    inserted = {scope: by_scope[scope] for scope in new}
    missing = sorted(by_scope.keys() - new)
    existing = find_keys(connection, missing) if missing else {}
    if len(existing) != len(missing):
        raise Conflicted(None)
    return KeyTable(inserted, existing)


def find_keys(connection: Connection, scopes: Sequence[KeyScope]) -> dict[KeyScope, Claim]:
    """Who holds these keys."""
    parameters = {"scopes": [_scope_tuple(scope) for scope in scopes]}
    found: dict[KeyScope, Claim] = {}
    for *columns, fingerprint, run_id in connection.execute(statements.FIND_KEYS, parameters):
        scope = KeyScope(*columns)
        found[scope] = Claim(scope, bytes(fingerprint), run_id or "")
    return found


def find_acks(connection: Connection, records: Iterable[tuple[RunKey, int]]) -> dict[tuple[RunKey, int], Ack]:
    """Acknowledgements of records that were committed before and left events."""
    wanted = [(key[0], run_stream(key[1]), record_id) for key, record_id in records]
    by_stream = {(key[0], run_stream(key[1])): key for key, _ in records}
    acks: dict[tuple[RunKey, int], Ack] = {}
    for row in connection.execute(statements.FIND_ACKS, {"records": wanted}):
        key = by_stream[(row.tenant, row.stream)]
        acks[(key, row.record_id)] = Ack(row.record_id, row.first_sequence, row.last_sequence, row.event_time)
    return acks


def write(connection: Connection, runs: Sequence[Tracked], changes: Changes, keys: KeyTable) -> None:
    """Writes all changes of a batch.

    Raises:
        Conflicted: a run's id, or a payload that may exist once only, was there before; or a key is to be
            another operation's than the one that it was inserted for.
    """
    if keys.replaced:
        raise Conflicted(None)
    created = [each for each in runs if each.is_new]
    changed = [each for each in runs if each.is_changed and not each.is_new]
    if created:
        _insert_runs(connection, created, changes)
    if changes.entries:
        execute_many(connection, statements.INSERT_ENTRIES, changes.entries)
    for event_type, rows in changes.payloads.items():
        run_id = rows[0]["run_id"]
        refusal = IllegalState(run_id=run_id, state=names.RUNNING, operation=event_type)
        _insert(connection, statements.INSERT_PAYLOAD[event_type], rows, refusal)
    if changes.attempts:
        execute_many(connection, statements.UPSERT_ATTEMPTS, list(changes.attempts.values()))
    if changes.abandoned:
        connection.execute(statements.ABANDON_ATTEMPTS, {"keys": sorted(changes.abandoned)})
    if changed:
        execute_many(connection, statements.UPDATE_RUNS, [_run_update(each) for each in changed])
    _move_heads(connection, changed)
    if stale := keys.stale:
        connection.execute(statements.DELETE_KEYS, {"scopes": [_scope_tuple(scope) for scope in stale]})


def write_journal(connection: Connection, runs: Sequence[Tracked], changes: Changes) -> None:
    """Writes the entries alone, for runs that are no longer there."""
    execute_many(connection, statements.INSERT_ENTRIES, changes.entries)
    _move_heads(connection, runs)


def _move_heads(connection: Connection, runs: Sequence[Tracked]) -> None:
    if grown := [each for each in runs if each.has_grown]:
        execute_many(connection, statements.UPDATE_HEADS, [_head_update(each) for each in grown])


def _insert_runs(connection: Connection, created: Sequence[Tracked], changes: Changes) -> None:
    _insert(connection, statements.INSERT_RUNS, [each.run.columns() for each in created], None)
    execute_many(connection, statements.INSERT_HEADS, [_head_row(each) for each in created])
    execute_many(connection, statements.INSERT_SPECIFICATIONS, changes.specifications)
    if changes.revisions:
        execute_many(connection, statements.INSERT_REVISIONS, changes.revisions)


def _insert(
    connection: Connection, statement: Insert, rows: list[Columns], refusal: ConsensusError | None
) -> None:
    try:
        execute_many(connection, statement, rows)
    except IntegrityError as error:
        raise Conflicted(refusal) from error


def _scope_tuple(scope: KeyScope) -> tuple[str, ...]:
    return (scope.tenant, scope.caller, scope.operation, scope.resource, scope.key)


def _key_row(claim: Claim, now: datetime, expire_time: datetime) -> dict[str, Any]:
    values = zip(statements.KEY_SCOPE, _scope_tuple(claim.scope), strict=True)
    return {
        **dict(values),
        "fingerprint": claim.fingerprint,
        "run_id": claim.run_id,
        "response": None,
        "create_time": now,
        "expire_time": expire_time,
    }


def _head_row(tracked: Tracked) -> Columns:
    head = tracked.head
    return {
        "tenant": head.tenant,
        "stream": head.stream,
        "sequence": head.sequence,
        "hash": head.hash,
        "update_time": tracked.run.update_time,
    }


def _head_update(tracked: Tracked) -> Columns:
    head = tracked.head
    return {
        "of_tenant": head.tenant,
        "of_stream": head.stream,
        "new_sequence": head.sequence,
        "new_hash": head.hash,
        "new_update_time": tracked.run.update_time,
    }


def _run_update(tracked: Tracked) -> Columns:
    run = tracked.run
    columns = {f"new_{name}": getattr(run, name) for name in statements.CHANGING_COLUMNS}
    return {"of_tenant": run.tenant, "of_run_id": run.run_id, **columns}
