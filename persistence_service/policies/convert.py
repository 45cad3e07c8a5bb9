"""Policies between their rows and the wire. Pure."""

from collections.abc import Mapping
from typing import Any

from consensus.v1 import policy_pb2
from consensus_contract.errors import FieldViolation
from consensus_decision.policies import DEFAULT_POLICY_ID, policy_message
from consensus_decision.policy_fields import PolicyRefusedError
from consensus_decision.policy_reading import policy_of_json
from consensus_rpc.errors import InvalidField
from persistence_service.schema.scalars import to_timestamp


def message_of(row: Mapping[Any, Any]) -> policy_pb2.Policy:
    """A revision of a policy, whole."""
    return policy_pb2.Policy(
        policy_id=row["policy_id"],
        revision=row["revision"],
        content=row["content"],
        create_time=to_timestamp(row["create_time"]),
        creator=row["creator"],
    )


def listed(policy: policy_pb2.Policy) -> policy_pb2.Policy:
    """The policy, in place, as lists show it."""
    policy.ClearField("content")
    return policy


def accepted_policy(policy: policy_pb2.Policy, field: str) -> policy_pb2.Policy:
    """The policy in its canonical form, named by its digest.

    Raises:
        InvalidField: no id of its own, or every rule that the content breaks, each as a field of it.
    """
    if not policy.policy_id:
        raise InvalidField(field=f"{field}.policy_id", description="names the policy")
    if policy.policy_id == DEFAULT_POLICY_ID:
        description = "is another than default, which is built in"
        raise InvalidField(field=f"{field}.policy_id", description=description)
    try:
        return policy_message(policy.policy_id, policy_of_json(policy.content or "{}"))
    except PolicyRefusedError as refused:
        violations = [
            FieldViolation(f"{field}.content{each.field and '.'}{each.field}", each.description)
            for each in refused.violations
        ]
        raise InvalidField(violations=violations) from refused
