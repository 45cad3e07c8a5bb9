"""Calls that were refused, as entries of the stream `security/<tenant>`."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection

from consensus_rpc.access.denials import Denial
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.database.admission import closed_tenants
from persistence_service.journal.append import append
from persistence_service.journal.entries import Actor, EntrySeverity, NewEntry

CALL_DENIED = "call.denied"
_OPERATORS = "default"
_NOBODYS = ""


def security_stream(tenant: str) -> str:
    """The stream of what concerns access to a tenant."""
    return f"security/{tenant}"


async def enter_denials(database: Database, denials: Sequence[Denial]) -> None:
    """Enters them, in the order in which they were refused; each tenant's in its own stream.

    Those of a tenant that is on the move stand in the stream of the operator's own, under its name.

    Raises:
        DatabaseUnavailable, LockTimeout: not now.
    """

    def enter(connection: Connection) -> None:
        closed = closed_tenants(connection)
        by_tenant: defaultdict[str, list[Denial]] = defaultdict(list)
        for each in denials:
            by_tenant[_OPERATORS if each.tenant in closed else each.tenant].append(each)
        if _OPERATORS in closed and _OPERATORS in by_tenant:
            by_tenant[_NOBODYS] = by_tenant.pop(_OPERATORS)
        for tenant in sorted(by_tenant):
            for denial in by_tenant[tenant]:
                actor = Actor(denial.caller, "", denial.request_id)
                entry = _entry(denial, of=tenant)
                append(connection, tenant, security_stream(tenant), [entry], actor, database.now)

    await database.run(enter, tenant=EVERY_TENANT, isolation="READ COMMITTED", resource="security")


def _entry(denial: Denial, *, of: str) -> NewEntry:
    data = {"method": denial.method, "reason": denial.reason, "credential": denial.credential_id}
    if denial.tenant != of:
        data["tenant"] = denial.tenant
    if denial.suppressed:
        data["suppressed"] = str(denial.suppressed)
    return NewEntry(CALL_DENIED, data, severity=EntrySeverity.WARNING)
