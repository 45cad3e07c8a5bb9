"""Keys that other backends set: told apart from no effect of ours, so neither fingerprint nor answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, or_, select

from consensus_journal import digest
from persistence_service.idempotency.tables import IdempotencyKeyRow
from persistence_service.schema.base import insert

OPERATION = "check"
"""The operation under which bare keys stand, apart from those of the services' own calls."""

_NOTHING = digest(b"")
_TABLE = IdempotencyKeyRow.__table__
_COLUMNS = (IdempotencyKeyRow.create_time, IdempotencyKeyRow.expire_time)
_NEW = insert(IdempotencyKeyRow)
# A key that has expired and was not purged yet is set anew by the same statement.
_SET = _NEW.on_conflict_do_update(
    index_elements=list(_TABLE.primary_key.columns),  # type: ignore[attr-defined]  # FromClause in the stubs
    set_={"create_time": _NEW.excluded.create_time, "expire_time": _NEW.excluded.expire_time},
    where=IdempotencyKeyRow.expire_time <= _NEW.excluded.create_time,
).returning(*_COLUMNS)
_GET = select(*_COLUMNS).where(
    IdempotencyKeyRow.tenant == bindparam("of_tenant"),
    IdempotencyKeyRow.caller == "",
    IdempotencyKeyRow.operation == OPERATION,
    IdempotencyKeyRow.resource == bindparam("of_scope"),
    IdempotencyKeyRow.key == bindparam("of_key"),
    or_(IdempotencyKeyRow.expire_time.is_(None), IdempotencyKeyRow.expire_time > bindparam("now")),
)


@dataclass(frozen=True, slots=True)
class BareKey:
    """A key of one scope of one tenant; whoever of the tenant's callers asks, it is the same."""

    tenant: str
    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a key was set, and when it is forgotten; `expire_time` None: never."""

    create_time: datetime
    expire_time: datetime | None


def find(connection: Connection, key: BareKey, now: datetime) -> Sighting | None:
    """The key, if it was set and is still remembered."""
    row = connection.execute(
        _GET, {"of_tenant": key.tenant, "of_scope": key.scope, "of_key": key.key, "now": now}
    ).first()
    return None if row is None else Sighting(row.create_time, row.expire_time)


def check_and_set(
    connection: Connection, key: BareKey, ttl: timedelta | None, now: datetime
) -> tuple[bool, Sighting]:
    """Whether the key had been set before, and what stands now.

    Exactly one of all transactions is told False. Needs READ COMMITTED: the insert waits for one that is
    under way, and the look-up after it has to see what that one committed.
    """
    row = connection.execute(
        _SET,
        {
            "tenant": key.tenant,
            "caller": "",
            "operation": OPERATION,
            "resource": key.scope,
            "key": key.key,
            "fingerprint": _NOTHING,
            "create_time": now,
            "expire_time": None if ttl is None else now + ttl,
        },
    ).first()
    if row is not None:
        return False, Sighting(row.create_time, row.expire_time)
    found = find(connection, key, now)
    # Gone between the two statements: expired this instant. It was seen, and is set no more.
    return True, found or Sighting(now, now)
