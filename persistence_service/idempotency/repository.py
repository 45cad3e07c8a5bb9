"""Statements over idempotency keys: those of requests, many at once or with their answers, and bare ones.

Who inserts a key waits for whoever is about to insert the same one, and then has to see what was committed:
all of this needs READ COMMITTED.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import Connection, bindparam, or_, select, update

from consensus_contract.errors import IdempotencyKeyReused
from consensus_journal import digest
from persistence_service.database.tenants import ForKeys, per_statement
from persistence_service.idempotency.keys import BareKey, KeyScope, KeyUse, Sighting
from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.schema.base import core_table, insert

CHECK = "check"
"""The operation under which bare keys stand, apart from those of the services' own calls."""

KEYS = core_table(IdempotencyKeyRow)
_SCOPE = tuple(KEYS.c[name] for name in KeyScope._fields)
_OF_SCOPE = tuple(f"of_{name}" for name in KeyScope._fields)
_IS_SCOPE = tuple(column == bindparam(name) for column, name in zip(_SCOPE, _OF_SCOPE, strict=True))

# Many at once.
_INSERT = insert(KEYS).on_conflict_do_nothing(index_elements=list(KeyScope._fields)).returning(*_SCOPE)
_FIND_SOME = ForKeys(select(*_SCOPE, KEYS.c.fingerprint, KEYS.c.run_id).where, *_SCOPE)
_DELETE = ForKeys(KEYS.delete().where, *_SCOPE)

# One that has expired and was not purged yet is taken anew by the statement that takes a new one.
_NEW = insert(KEYS)
_IS_OVER = KEYS.c.expire_time <= _NEW.excluded.create_time
_REPLACED = ("fingerprint", "run_id", "response", "create_time", "expire_time")

# One with its answer.
_TAKE = _NEW.on_conflict_do_update(
    index_elements=list(_SCOPE),
    set_={name: _NEW.excluded[name] for name in _REPLACED},
    where=_IS_OVER,
).returning(KEYS.c.key)
_FIND_ANSWER = select(KEYS.c.fingerprint, KEYS.c.response).where(*_IS_SCOPE)
_ANSWER = update(KEYS).where(*_IS_SCOPE).values(response=bindparam("answer"))

# Bare ones: told apart from no effect of ours, so neither fingerprint nor answer.
_NOTHING = digest(b"")
_SIGHTING = (KEYS.c.create_time, KEYS.c.expire_time)
_SET = _NEW.on_conflict_do_update(
    index_elements=list(_SCOPE),
    set_={column.name: _NEW.excluded[column.name] for column in _SIGHTING},
    where=_IS_OVER,
).returning(*_SIGHTING)
_SEE = select(*_SIGHTING).where(
    KEYS.c.tenant == bindparam("of_tenant"),
    KEYS.c.caller == "",
    KEYS.c.operation == CHECK,
    KEYS.c.resource == bindparam("of_scope"),
    KEYS.c.key == bindparam("of_key"),
    or_(KEYS.c.expire_time.is_(None), KEYS.c.expire_time > bindparam("now")),
)


def insert_new(
    connection: Connection, uses: Sequence[KeyUse], now: datetime, expire_time: datetime
) -> set[KeyScope]:
    """Inserts the keys that are not there, in the order that is given; which ones."""
    rows = [
        {
            **use.scope._asdict(),
            "fingerprint": use.fingerprint,
            "run_id": use.run_id,
            "response": None,
            "create_time": now,
            "expire_time": expire_time,
        }
        for use in uses
    ]
    return {
        KeyScope(*row)
        for some in per_statement(connection, rows, itemgetter("tenant"))
        for row in connection.execute(_INSERT, some)
    }


def find_holders(connection: Connection, scopes: Sequence[KeyScope]) -> dict[KeyScope, KeyUse]:
    """What these keys were used for, where they were."""
    found: dict[KeyScope, KeyUse] = {}
    for row in _FIND_SOME.rows(connection, scopes):
        *columns, fingerprint, run_id = tuple(row)
        scope = KeyScope(*columns)
        found[scope] = KeyUse(scope, bytes(fingerprint), run_id or "")
    return found


def remove(connection: Connection, scopes: Sequence[KeyScope]) -> None:
    """Frees these keys."""
    _DELETE.count(connection, scopes)


def take_or_answer(connection: Connection, use: KeyUse, now: datetime, expire_time: datetime) -> bytes | None:
    """Takes a key that is free: None; else what was answered when it was used first.

    Raises:
        IdempotencyKeyReused: it was used with another request.
    """
    row = {"fingerprint": use.fingerprint, "run_id": None, "response": None}
    times = {"create_time": now, "expire_time": expire_time}
    if connection.execute(_TAKE, {**use.scope._asdict(), **row, **times}).first() is not None:
        return None
    found = connection.execute(_FIND_ANSWER, _of(use.scope)).one()
    if bytes(found.fingerprint) != use.fingerprint:
        raise IdempotencyKeyReused(idempotency_key=use.scope.key)
    return bytes(found.response)


def store_answer(connection: Connection, scope: KeyScope, answer: bytes) -> None:
    """Keeps what the request is answered, with the key that it has taken."""
    connection.execute(_ANSWER, {**_of(scope), "answer": answer})


def find_bare(connection: Connection, key: BareKey, now: datetime) -> Sighting | None:
    """The key, if it was set and is still remembered."""
    row = connection.execute(
        _SEE, {"of_tenant": key.tenant, "of_scope": key.scope, "of_key": key.key, "now": now}
    ).first()
    return None if row is None else Sighting(row.create_time, row.expire_time)


def check_and_set(
    connection: Connection, key: BareKey, ttl: timedelta | None, now: datetime
) -> tuple[bool, Sighting]:
    """Whether the key had been set before, which one of all transactions is told not, and what stands now."""
    row = connection.execute(
        _SET,
        {
            **KeyScope(key.tenant, "", CHECK, key.scope, key.key)._asdict(),
            "fingerprint": _NOTHING,
            "create_time": now,
            "expire_time": None if ttl is None else now + ttl,
        },
    ).first()
    if row is not None:
        return False, Sighting(row.create_time, row.expire_time)
    found = find_bare(connection, key, now)
    # Gone between the two statements: expired this instant. It was seen, and is set no more.
    return True, found or Sighting(now, now)


def _of(scope: KeyScope) -> dict[str, str]:
    return dict(zip(_OF_SCOPE, scope, strict=True))
