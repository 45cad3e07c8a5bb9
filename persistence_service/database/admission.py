"""Whether a tenant may be read and changed here, asked in the transaction that does it.

A tenant that is frozen to be moved, was moved away, or has come and is not open yet, has a row in
`tenant_moves`. Who changes a tenant's rows first takes a lock on that table which others share, and then
looks; who freezes a tenant takes it alone. So whatever is committed after a freeze has seen it, and what was
under way when it was asked for is in the export. On PostgreSQL the lock comes before the transaction's
snapshot, which would else be older than the freeze; on SQLite there is one writer at a time.

None of it costs a round trip: the lock goes with the statement that comes first anyway. A database that is
distributed by tenant moves its tenants by itself, and none is moved to it or away: there it is left out.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from consensus_contract.errors import ConsensusError, TenantElsewhere, TenantFrozen
from persistence_service.database.preceding import PRECEDED_BY
from persistence_service.database.tables import ARRIVED, FROZEN, MOVED, OPEN, TENANT_MOVES
from persistence_service.database.tenants import is_distributed
from persistence_service.database.visible import EVERY_TENANT, show_rows, show_rows_statement
from persistence_service.schema.base import CLOCK

FENCE = "LOCK TABLE tenant_moves IN ROW EXCLUSIVE MODE"
"""What freezing waits for. Shared, and no row's: writers do not meet one another."""

AFTER_FENCE = {PRECEDED_BY: FENCE}
"""Execution options of a statement that takes that lock in its own round trip, before its snapshot."""

_STATE = "SELECT state FROM tenant_moves WHERE tenant = %(tenant)s"
_SQLITE_STATE = select(TENANT_MOVES.c.state)
_CLOSED = select(TENANT_MOVES.c.tenant, TENANT_MOVES.c.state).where(TENANT_MOVES.c.state != OPEN)
_CLOSED_TEXT = f"SELECT tenant, state FROM tenant_moves WHERE state <> '{OPEN}'"  # noqa: S608 - a constant

CLOSED = select(TENANT_MOVES.c.tenant).where(TENANT_MOVES.c.state != OPEN)
"""Their names, as a part of a statement; one that changes rows comes with or after the fence."""

_UNREAD = (MOVED, ARRIVED)

UNREAD = select(TENANT_MOVES.c.tenant).where(TENANT_MOVES.c.state.in_(_UNREAD))
"""The names of tenants of which nothing is even read, as a part of a statement."""

ON_THEIR_WAY = (FROZEN, ARRIVED)
"""Of these the rows are what was exported, or what was imported."""


class _States(GenericFunction[Any]):
    """Tenants and their states, as one JSON object."""

    type = JSON()
    inherit_cache = True
    name = "json_object_agg"


@compiles(_States, "sqlite")
def _states_on_sqlite(element: _States, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_object{compiler.process(element.clause_expr, **options)}"


CLOSED_STATES = (
    select(_States(TENANT_MOVES.c.tenant, TENANT_MOVES.c.state))
    .where(TENANT_MOVES.c.state != OPEN)
    .scalar_subquery()
    .label("closed")
)
"""What `closed_tenants` answers, as a column of a statement with `AFTER_FENCE`; NULL: nothing."""
_NOW_AND_CLOSED = select(CLOCK.label("now"), CLOSED_STATES).execution_options(**AFTER_FENCE)


def admit(connection: Connection, tenant: str, role: str, *, read_only: bool) -> None:
    """Shows a transaction the tenant's rows, and lets it go on if they may be read, or changed.

    Comes first in its transaction. Who serves every tenant asks by itself, with `closed_tenants`.

    Raises:
        TenantFrozen, TenantElsewhere: not now, not here.
    """
    if connection.dialect.name == "sqlite":
        state = None
        if tenant != EVERY_TENANT:
            state = connection.execute(_SQLITE_STATE.where(TENANT_MOVES.c.tenant == tenant)).scalar()
    else:
        state = _shown_on_postgresql(connection, tenant, role, read_only=read_only)
    if (refusal := refusal_of(state, read_only=read_only)) is not None:
        raise refusal


def _shown_on_postgresql(connection: Connection, tenant: str, role: str, *, read_only: bool) -> str | None:
    """All in one round trip; a pool's transactions have as many as they had."""
    if tenant == EVERY_TENANT or is_distributed(connection):
        show_rows(connection, tenant, role)
        return None
    shown = show_rows_statement(tenant, role)
    fence = () if read_only else (FENCE,)
    result = connection.exec_driver_sql("; ".join((*fence, shown, _STATE)), {"role": role, "tenant": tenant})
    state: str | None = result.scalar()
    return state


def closed_tenants(connection: Connection) -> Mapping[str, str]:
    """The states of all tenants of which nothing may be changed, until this transaction ends.

    For whoever changes rows of many tenants, before its first statement but what shows it their rows. Needs
    READ COMMITTED.
    """
    if is_distributed(connection):
        return {}
    if connection.dialect.name == "sqlite":
        rows = connection.execute(_CLOSED)
    else:
        rows = connection.exec_driver_sql(f"{FENCE}; {_CLOSED_TEXT}")
    return {row.tenant: row.state for row in rows}


def now_and_closed(connection: Connection) -> tuple[datetime, Mapping[str, str]]:
    """The database's clock, read together with what `closed_tenants` answers."""
    row = connection.execute(_NOW_AND_CLOSED).one()
    return row.now, row.closed or {}


def unread_tenants(connection: Connection) -> Collection[str]:
    """The tenants of which nothing is even read here."""
    return set(connection.execute(UNREAD).scalars())


def require_open(connection: Connection, tenant: str) -> None:
    """Lets a transaction that sees every tenant change the rows of this one; needs READ COMMITTED.

    Raises:
        TenantFrozen, TenantElsewhere: not now, not here.
    """
    if (refusal := refusal_of(closed_tenants(connection).get(tenant))) is not None:
        raise refusal


def refusal_of(state: str | None, *, read_only: bool = False) -> ConsensusError | None:
    """Why a tenant in this state may not be changed, or not be read; None: it may."""
    if state in _UNREAD:
        return TenantElsewhere()
    return TenantFrozen() if state == FROZEN and not read_only else None
