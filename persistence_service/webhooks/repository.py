"""Webhooks that wait: found, held while they are delivered, and settled; claimed by one process at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select, update

from persistence_service.database.admission import AFTER_FENCE, CLOSED
from persistence_service.database.tenants import OldestLocked, OldestRemoved
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import NOBODY, EntrySeverity, NewEntry
from persistence_service.webhooks.tables import (
    DELIVERED,
    DELIVERIES,
    FAILURE_CHARACTERS,
    GIVEN_UP,
)

WEBHOOK_GIVEN_UP = "webhook.given_up"

# Those of a tenant that is on the move wait until it has arrived.
_STAYS = DELIVERIES.c.tenant.not_in(CLOSED)
_WAITS = and_(DELIVERIES.c.settle_time.is_(None), _STAYS)
_NOW = bindparam("now", type_=DELIVERIES.c.create_time.type)

_WAITING = select(
    select(func.min(DELIVERIES.c.create_time)).where(_WAITS).scalar_subquery().label("oldest"),
    select(func.min(DELIVERIES.c.next_attempt_time)).where(_WAITS).scalar_subquery().label("due"),
)
_LOCK_DUE = OldestLocked(
    select(
        *DELIVERIES.primary_key, DELIVERIES.c.message, DELIVERIES.c.create_time, DELIVERIES.c.attempt_count
    )
    .where(_WAITS, DELIVERIES.c.next_attempt_time <= _NOW)
    .execution_options(**AFTER_FENCE),
    [DELIVERIES.c.next_attempt_time],
    [*DELIVERIES.primary_key],
)
_ONE = tuple(column == bindparam(f"of_{column.name}") for column in DELIVERIES.primary_key)
_HOLD = (
    update(DELIVERIES)
    .where(*_ONE)
    .values(
        attempt_count=DELIVERIES.c.attempt_count + 1,
        next_attempt_time=bindparam("until", type_=DELIVERIES.c.create_time.type),
    )
)
# Whoever was away for so long that another has begun again settles nothing.
_HELD = (*_ONE, _WAITS, DELIVERIES.c.attempt_count == bindparam("of_attempt"))
_SETTLE = (
    update(DELIVERIES)
    .where(*_HELD)
    .values(
        settle_time=bindparam("settled", type_=DELIVERIES.c.settle_time.type),
        outcome=bindparam("how"),
        next_attempt_time=bindparam("next", type_=DELIVERIES.c.next_attempt_time.type),
        last_failure=func.coalesce(bindparam("failed"), DELIVERIES.c.last_failure),
    )
    .execution_options(**AFTER_FENCE)
)
_PURGE = OldestRemoved(
    DELIVERIES,
    DELIVERIES.c.settle_time,
    DELIVERIES.c.settle_time < bindparam("before", type_=DELIVERIES.c.create_time.type),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that this process holds, `age` after its run ended; `attempt` counts from 1."""

    tenant: str
    run_id: str
    sequence: int
    message: dict[str, Any]
    age: timedelta
    attempt: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of an attempt. `failure` None: it was delivered; `wait` None: it is not tried again."""

    delivery: Delivery
    failure: str | None = None
    wait: timedelta | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody will be told."""
        return self.failure is not None and self.wait is None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Since when the oldest has waited, and when the next is due; None: nothing waits."""

    oldest: datetime | None
    due: datetime | None
    now: datetime


def waiting(connection: Connection, clock: DatabaseClock) -> Waiting:
    """What waits."""
    row = connection.execute(_WAITING).one()
    return Waiting(row.oldest, row.due, clock(connection))


def hold_due(connection: Connection, clock: DatabaseClock, hold: timedelta, max_count: int) -> list[Delivery]:
    """Takes some that are due, the longest first: for the span `hold` no other process does.

    Needs READ COMMITTED.
    """
    now = clock(connection)
    rows = _LOCK_DUE.rows(connection, max_count, now=now)
    if rows:
        connection.execute(
            _HOLD, [{**_of(row.tenant, row.run_id, row.sequence), "until": now + hold} for row in rows]
        )
    return [
        Delivery(
            row.tenant, row.run_id, row.sequence, row.message, now - row.create_time, row.attempt_count + 1
        )
        for row in rows
    ]


def settle(connection: Connection, clock: DatabaseClock, settlements: Iterable[Settlement]) -> None:
    """Writes down what became of attempts, and enters into the audit trail what is given up.

    What became of one whose tenant was frozen meanwhile is not: it is tried again where the tenant arrives.
    Needs READ COMMITTED.
    """
    now, given_up = clock(connection), []
    for each in settlements:
        there = connection.execute(_SETTLE, _settled(each, now)).rowcount
        if there and each.is_given_up:
            given_up.append(each)
    _enter(connection, clock, given_up)


def purge_settled(connection: Connection, before: datetime, max_count: int) -> int:
    """Removes some that were delivered or given up before an instant; how many."""
    return _PURGE.count(connection, max_count, before=before)


def webhook_stream(tenant: str) -> str:
    """The stream of what nobody could be told of a tenant's runs."""
    return f"webhooks/{tenant}"


def _settled(each: Settlement, now: datetime) -> dict[str, Any]:
    held = each.delivery
    failure = None if each.failure is None else each.failure[:FAILURE_CHARACTERS]
    is_over = each.wait is None
    return {
        **_of(held.tenant, held.run_id, held.sequence),
        "of_attempt": held.attempt,
        "settled": now if is_over else None,
        "how": (GIVEN_UP if failure else DELIVERED) if is_over else None,
        "next": now + (each.wait or timedelta()),
        "failed": failure,
    }


def _enter(connection: Connection, clock: DatabaseClock, given_up: Sequence[Settlement]) -> None:
    by_tenant: dict[str, list[NewEntry]] = {}
    for each in given_up:
        by_tenant.setdefault(each.delivery.tenant, []).append(_entry(each))
    for tenant in sorted(by_tenant):
        append(connection, tenant, webhook_stream(tenant), by_tenant[tenant], NOBODY, clock)


def _entry(each: Settlement) -> NewEntry:
    held = each.delivery
    data = {
        "run_id": held.run_id,
        "sequence": held.sequence,
        "attempt_count": held.attempt,
        "failure": each.failure or "",
    }
    return NewEntry(WEBHOOK_GIVEN_UP, data, severity=EntrySeverity.ERROR)


def _of(tenant: str, run_id: str, sequence: int) -> dict[str, Any]:
    return {"of_tenant": tenant, "of_run_id": run_id, "of_sequence": sequence}
