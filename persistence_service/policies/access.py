"""Policies as other rooms ask for them: one revision of one policy, built in or stored."""

from consensus.v1 import policy_pb2
from consensus_contract.errors import PolicyNotFound
from consensus_decision.policies import DEFAULT_POLICY_ID, default_policy
from persistence_service.database import Database
from persistence_service.policies import convert, repository


async def find_policy(database: Database, tenant: str, policy_id: str, revision: str) -> policy_pb2.Policy:
    """The current revision of a policy, or the one that begins so, whole.

    Raises:
        PolicyNotFound: there is none.
        InvalidField: several revisions begin so.
    """
    if policy_id == DEFAULT_POLICY_ID:
        policy = default_policy()
        if not policy.revision.startswith(revision):
            raise PolicyNotFound(policy_id=policy_id, revision=revision)
        return policy
    row = await database.run(
        lambda connection: dict(repository.find(connection, tenant, policy_id, revision)),
        tenant=tenant,
        read_only=True,
        resource=f"policies/{policy_id}",
    )
    return convert.message_of(row)
