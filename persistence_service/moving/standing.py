"""Where a tenant stands that is moved: frozen, moved away, arrived, open. Each step may be taken again.

Two secrets hand it over. The digest of what arrived lets it leave, and the code that it leaves with opens it
where it arrived: so it is never served at both places, and never left before it is elsewhere.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, select, update
from sqlalchemy.exc import OperationalError
from uuid_utils.compat import uuid7

from persistence_service.database.faults import DatabaseFault, classify
from persistence_service.database.tables import ARRIVED, FROZEN, MOVED, OPEN, TENANT_MOVES
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import NOBODY, NewEntry
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RUNS
from persistence_service.schema.base import insert
from persistence_service.schema.span import Later
from persistence_service.schema.visibility import everything

# Writers wait no longer than a session's lock time-out behind each try.
_TRIES_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_CODE_BYTES = 32

_ONE = select(*TENANT_MOVES.columns).where(TENANT_MOVES.c.tenant == bindparam("of_tenant"))
_ONE_LOCKED = _ONE.with_for_update()
_ALL = select(*TENANT_MOVES.columns).order_by(TENANT_MOVES.c.tenant)
_REMOVE = delete(TENANT_MOVES).where(TENANT_MOVES.c.tenant == bindparam("of_tenant"))
_VOID = (
    update(TENANT_MOVES).where(TENANT_MOVES.c.tenant == bindparam("of_tenant")).values(content_digest=None)
)
# Who holds a lease has been refused for as long as the tenant was frozen, and may have results in hand.
_GRANT_ANEW = everything(
    update(RUNS)
    .where(
        RUNS.c.tenant == bindparam("of_tenant"),
        RUNS.c.state.in_(sorted(names.OPEN)),
        RUNS.c.lease_expire_time.is_not(None),
        RUNS.c.lease_microseconds.is_not(None),
    )
    .values(
        lease_expire_time=Later(bindparam("now", type_=RUNS.c.create_time.type), RUNS.c.lease_microseconds)
    ),
    "a deleted run is worked on by nobody, and its lease says nothing",
)


class MoveRefused(Exception):  # noqa: N818 - it says what happened
    """The step is not allowed from where the tenant stands; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A tenant that is moved, or was."""

    tenant: str
    state: str
    move_id: str
    release_code: bytes | None
    release_digest: bytes
    content_digest: bytes | None
    freeze_time: datetime
    change_time: datetime


def find(connection: Connection, tenant: str) -> Move | None:
    """Where a tenant stands; None: it was never moved."""
    row = connection.execute(_ONE, {"of_tenant": tenant}).mappings().one_or_none()
    return None if row is None else _move(row)


def all_moves(connection: Connection) -> list[Move]:
    """All that are moved, or were."""
    return [_move(row) for row in connection.execute(_ALL).mappings()]


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """A transaction of its own in which nobody changes any tenant's rows: for a moment.

    Raises:
        MoveRefused: somebody was changing rows for a minute.
    """
    ends = time.monotonic() + _TRIES_SECONDS
    while True:
        with engine.connect() as connection, connection.begin():
            if _is_alone(connection):
                yield connection
                return
        if time.monotonic() > ends:
            raise MoveRefused("transactions that go on and on keep it from being frozen: try again")
        time.sleep(_PAUSE_SECONDS)


def freeze(connection: Connection, tenant: str, clock: DatabaseClock) -> Move:
    """Lets nobody change the tenant from the commit on.

    Raises:
        MoveRefused: it is not served here.
    """
    old = find(connection, tenant)
    if old is not None and old.state == FROZEN:
        return old
    if old is not None and old.state != OPEN:
        raise MoveRefused(f"{tenant} is {old.state.lower()}, and not served here")
    move_id, code = str(uuid7()), secrets.token_bytes(_CODE_BYTES)
    _enter(connection, tenant, "tenant.frozen", {"move_id": move_id}, clock)
    now = clock(connection)
    _put(
        connection,
        Move(
            tenant=tenant,
            state=FROZEN,
            move_id=move_id,
            release_code=code,
            release_digest=hashlib.sha256(code).digest(),
            content_digest=None,
            freeze_time=now,
            change_time=now,
        ),
    )
    return _there(connection, tenant)


def thaw(connection: Connection, tenant: str, clock: DatabaseClock) -> None:
    """Serves a frozen tenant again, as if nothing had been; what was exported can never be opened.

    Raises:
        MoveRefused: it is not frozen.
    """
    old = find(connection, tenant)
    if old is None or old.state != FROZEN:
        raise MoveRefused(f"{tenant} is not frozen")
    connection.execute(_REMOVE, {"of_tenant": tenant})
    _serve(connection, tenant, "tenant.thawed", {"move_id": old.move_id}, clock)


def leave(connection: Connection, tenant: str, arrived: bytes, clock: DatabaseClock) -> Move:
    """Gives a frozen tenant away for good; its move's `release_code` opens it where it arrived.

    Raises:
        MoveRefused: it is not frozen, was not exported, or something else arrived.
    """
    old = find(connection, tenant)
    if old is None or old.state not in (FROZEN, MOVED):
        raise MoveRefused(f"{tenant} is not frozen")
    if old.content_digest is None or not hmac.compare_digest(old.content_digest, arrived):
        raise MoveRefused(f"that is not what was exported of {tenant}: import it again")
    if old.state == FROZEN:
        _change(connection, tenant, clock, state=MOVED)
    return _there(connection, tenant)


def open_arrived(connection: Connection, tenant: str, code: bytes, clock: DatabaseClock) -> None:
    """Serves a tenant that has arrived, and left where it was.

    Raises:
        MoveRefused: it has not arrived, or the code is not the one that it left with.
    """
    old = find(connection, tenant)
    if old is None or old.state not in (ARRIVED, OPEN) or old.content_digest is None:
        raise MoveRefused(f"{tenant} has not arrived")
    if not hmac.compare_digest(old.release_digest, hashlib.sha256(code).digest()):
        raise MoveRefused("that is not the code with which it left")
    if old.state == ARRIVED:
        _change(connection, tenant, clock, state=OPEN)
        about = {"move_id": old.move_id, "content_digest": old.content_digest.hex()}
        _serve(connection, tenant, "tenant.opened", about, clock)


def expect(connection: Connection, move: Move) -> Move:
    """Keeps a tenant closed here while it is imported; answers where it stood if it is here already.

    Raises:
        MoveRefused: another move of it is under way here.
    """
    old = find(connection, move.tenant)
    if old is not None and old.move_id == move.move_id and old.state in (ARRIVED, OPEN):
        return old
    if old is not None and old.state != MOVED:
        raise MoveRefused(f"{move.tenant} is {old.state.lower()} here, by another move")
    _put(connection, move)
    return _there(connection, move.tenant)


def note_content(connection: Connection, move: Move, digest: bytes, clock: DatabaseClock) -> None:
    """Takes note of what was exported, or has arrived.

    Raises:
        MoveRefused: the move was given up meanwhile, or its rows are deleted.
    """
    found = find(connection, move.tenant)
    if found is None or found.move_id != move.move_id:
        raise MoveRefused(f"the move of {move.tenant} was given up meanwhile")
    if found.state == MOVED and found.content_digest != digest:
        raise MoveRefused(f"the rows of {move.tenant} were deleted here")
    _change(connection, move.tenant, clock, content_digest=digest)


def begin_deletion(connection: Connection, tenant: str) -> Move:
    """Lets what a tenant has left behind be deleted; what has arrived is no more what has, from here on.

    Raises:
        MoveRefused: it was neither moved away, nor has it arrived and not been opened.
    """
    found = find(connection, tenant)
    if found is None or found.state not in (MOVED, ARRIVED):
        raise MoveRefused(f"{tenant} was not moved away: its rows stay")
    if found.state == MOVED:
        return found
    connection.execute(_VOID, {"of_tenant": tenant})
    return replace(found, content_digest=None)


def require_deletion(connection: Connection, move: Move) -> None:
    """Nothing arrives until this transaction ends, so that what it deletes is what was to be.

    Raises:
        MoveRefused: the tenant has arrived meanwhile.
    """
    row = connection.execute(_ONE_LOCKED, {"of_tenant": move.tenant}).mappings().one_or_none()
    found = None if row is None else _move(row)
    if found is None or _what(found) != _what(move):
        raise MoveRefused(f"{move.tenant} has arrived or was opened meanwhile: its rows stay")


def end_deletion(connection: Connection, move: Move) -> None:
    """Of a tenant that arrived nothing has ever been here; that it was moved away stays known.

    Raises:
        MoveRefused: it has arrived meanwhile.
    """
    require_deletion(connection, move)
    if move.state == ARRIVED:
        connection.execute(_REMOVE, {"of_tenant": move.tenant})


def give_up(connection: Connection, tenant: str, move_id: str, before: Move | None) -> None:
    """What was to arrive by this move has not: it is as it was before."""
    found = find(connection, tenant)
    if found is None or found.move_id != move_id or found.content_digest is not None:
        return  # another has brought it, or deleted it
    connection.execute(_REMOVE, {"of_tenant": tenant})
    if before is not None:
        _put(connection, before)


def _serve(
    connection: Connection, tenant: str, event: str, about: dict[str, Any], clock: DatabaseClock
) -> None:
    connection.execute(_GRANT_ANEW, {"of_tenant": tenant, "now": clock(connection)})
    _enter(connection, tenant, event, about, clock)


def _enter(
    connection: Connection, tenant: str, event: str, about: dict[str, Any], clock: DatabaseClock
) -> None:
    append(connection, tenant, f"moves/{tenant}", [NewEntry(event, about)], NOBODY, clock)


def _change(
    connection: Connection, tenant: str, clock: Callable[[Connection], datetime], **values: Any
) -> None:
    connection.execute(
        update(TENANT_MOVES)
        .where(TENANT_MOVES.c.tenant == tenant)
        .values(change_time=clock(connection), **values)
    )


def _put(connection: Connection, move: Move) -> None:
    """In the place of whatever stood there."""
    connection.execute(_REMOVE, {"of_tenant": move.tenant})
    connection.execute(
        insert(TENANT_MOVES), {column.name: getattr(move, column.name) for column in TENANT_MOVES.c}
    )


def _what(move: Move) -> tuple[str, str, bytes | None]:
    return move.state, move.move_id, move.content_digest


def _there(connection: Connection, tenant: str) -> Move:
    found = find(connection, tenant)
    assert found is not None, "it was just put there"
    return found


def _move(row: Any) -> Move:
    raw: dict[str, Any] = {
        name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()
    }
    return Move(**raw)


def _is_alone(connection: Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return True  # it has the one write lock
    try:
        connection.exec_driver_sql("LOCK TABLE tenant_moves IN EXCLUSIVE MODE").close()
    except OperationalError as error:
        if classify(error) is DatabaseFault.CONTENTION:
            connection.rollback()
            return False
        raise
    return True
