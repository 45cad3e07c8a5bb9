"""Statements over policies, which are never deleted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, select, update

from consensus.v1 import policy_pb2
from consensus_contract.errors import PolicyNotFound
from consensus_rpc.errors import InvalidField
from persistence_service.paging.keyset import beyond
from persistence_service.policies.tables import POLICIES, REVISIONS
from persistence_service.schema.base import insert

Row = Mapping[Any, Any]

_OF_POLICY = and_(REVISIONS.c.tenant == POLICIES.c.tenant, REVISIONS.c.policy_id == POLICIES.c.policy_id)
_KEY = and_(POLICIES.c.tenant == bindparam("of_tenant"), POLICIES.c.policy_id == bindparam("of_policy"))
_REVISIONS = (
    select(*(column for column in REVISIONS.c if column.name != "tenant"))
    .join_from(POLICIES, REVISIONS, _OF_POLICY)
    .where(POLICIES.c.tenant == bindparam("tenant"))
)
_CURRENT = _REVISIONS.where(REVISIONS.c.revision == POLICIES.c.revision)
_OF_ONE = _REVISIONS.where(POLICIES.c.policy_id == bindparam("policy_id"))
_FIND_CURRENT = _CURRENT.where(POLICIES.c.policy_id == bindparam("policy_id"))
_FIND_REVISION = _OF_ONE.where(REVISIONS.c.revision.startswith(bindparam("prefix"), autoescape=False)).limit(
    2
)
_LOCK = select(POLICIES.c.revision).where(_KEY).with_for_update()
_SET = (
    update(POLICIES)
    .where(_KEY)
    .values(
        revision=bindparam("new_revision"), update_time=bindparam("at", type_=POLICIES.c.update_time.type)
    )
)


def find(connection: Connection, tenant: str, policy_id: str, revision: str) -> Row:
    """The current revision of a policy, or the one that begins so.

    Raises:
        PolicyNotFound: there is no such policy, or none of its revisions begins so.
        InvalidField: several do.
    """
    of_policy = {"tenant": tenant, "policy_id": policy_id}
    if revision:
        found = connection.execute(_FIND_REVISION, of_policy | {"prefix": revision})
    else:
        found = connection.execute(_FIND_CURRENT, of_policy)
    rows = found.mappings().all()
    if not rows:
        raise PolicyNotFound(policy_id=policy_id, revision=revision)
    if len(rows) > 1:
        raise InvalidField(field="revision", description="names one revision: several begin so")
    return rows[0]


def page(connection: Connection, tenant: str, after: str | None, limit: int) -> Sequence[Row]:
    """Policies by id, each in its current revision."""
    statement: Select[Any] = _CURRENT.order_by(POLICIES.c.policy_id).limit(limit)
    if after is not None:
        statement = statement.where(beyond([POLICIES.c.policy_id], [after]))
    return connection.execute(statement, {"tenant": tenant}).mappings().all()


def page_of_revisions(
    connection: Connection, tenant: str, policy_id: str, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Row]:
    """The revisions of a policy, newest first."""
    order = (REVISIONS.c.create_time, REVISIONS.c.revision)
    statement: Select[Any] = _OF_ONE.order_by(*(each.desc() for each in order)).limit(limit)
    if after is not None:
        statement = statement.where(beyond(order, after, descending=True))
    return connection.execute(statement, {"tenant": tenant, "policy_id": policy_id}).mappings().all()


def make_current(
    connection: Connection, tenant: str, policy: policy_pb2.Policy, creator: str, now: datetime
) -> bool:
    """Makes a policy's revision the current one, adding both where they are new; False: it was."""
    policy_id, revision = policy.policy_id, policy.revision
    own = {"tenant": tenant, "policy_id": policy_id, "revision": "", "update_time": now}
    connection.execute(insert(POLICIES).on_conflict_do_nothing(), own)
    of_policy = {"of_tenant": tenant, "of_policy": policy_id}
    if connection.execute(_LOCK, of_policy).scalar_one() == revision:
        return False
    row = {
        "tenant": tenant,
        "policy_id": policy_id,
        "revision": revision,
        "create_time": now,
        "creator": creator,
        "content": policy.content,
    }
    connection.execute(insert(REVISIONS).on_conflict_do_nothing(), row)
    connection.execute(_SET, of_policy | {"new_revision": revision, "at": now})
    return True
