"""Keys made and ended at the database itself, the first one among them."""

from datetime import timedelta

from sqlalchemy import Connection

from consensus_rpc.access.keys import new_key
from consensus_rpc.access.policy import AccessPolicy
from consensus_rpc.server.identity import UserBound
from persistence_service.access import changing
from persistence_service.access.repository import NewKey
from persistence_service.database import Database
from persistence_service.database.admission import require_open
from persistence_service.journal.entries import NOBODY


def make_key(
    database: Database,
    policy: AccessPolicy,
    *,
    tenant: str,
    subject: str,
    roles: list[str],
    users: UserBound,
    ttl: timedelta | None,
    note: str,
) -> str:
    """A new key, as it is shown once; whoever reaches the database may make any.

    Raises:
        ValueError: a role is none of the policy's.
    """
    unknown = sorted(set(roles) - set(policy.roles))
    if unknown:
        known = ", ".join(sorted(policy.roles))
        raise ValueError(f"the access policy has no role {', '.join(unknown)}; it has {known}")
    shown, made = new_key()

    def unit(connection: Connection) -> None:
        require_open(connection, tenant)
        now = database.now(connection)
        key = NewKey(
            tenant=tenant,
            key_id=made.key_id,
            secret_digest=made.secret_digest,
            subject=subject,
            roles=roles,
            users=users,
            note=note,
            creator="",
            expire_time=None if ttl is None else now + ttl,
        )
        changing.create(database.now, connection, key, NOBODY, now)

    database.unit_of_work(unit, isolation="READ COMMITTED", resource="access_keys")
    return shown


def end_key(database: Database, tenant: str, key_id: str) -> None:
    """Revokes a key.

    Raises:
        AccessKeyNotFound: the tenant has none such.
    """

    def unit(connection: Connection) -> None:
        require_open(connection, tenant)
        changing.revoke(database.now, connection, tenant, key_id, NOBODY, database.now(connection))

    database.unit_of_work(unit, isolation="READ COMMITTED", resource="access_keys")
