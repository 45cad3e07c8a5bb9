"""Which policy decides a run: the one that it pinned, or the built-in one of the version that it names. Pure.

A run names both when it is created, and is decided under them for good: by whichever release takes it over,
and by whoever computes the decision again. When POLICY_VERSION rises, the built-in policy that was stays
among BUILT_IN, so that runs under way across a release are decided as they began.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from consensus.v1 import policy_pb2, run_pb2
from consensus_decision.policy import DEFAULT, Policy
from consensus_decision.policy_content import canonical_policy, policy_digest
from consensus_decision.policy_fields import PolicyRefusedError
from consensus_decision.policy_reading import policy_of_json

POLICY_VERSION = "1.2.0"
"""What new runs are decided by: as 1.1.0, but what is suspected of an injection is not approved."""
BUILT_IN: Mapping[str, Policy] = {
    "1.0.0": replace(DEFAULT, approve_suspected=True, least_fresh_weight=None),
    "1.1.0": replace(DEFAULT, approve_suspected=True),  # a stale review carries no approval
    POLICY_VERSION: DEFAULT,
}
"""The built-in policy of each version that this release can apply."""
POLICY_VERSIONS = tuple(BUILT_IN)
DEFAULT_POLICY_ID = "default"


class UnknownPolicyError(ValueError):
    """A run is to be decided by rules of another release."""


def policy_of(specification: run_pb2.RunSpecification) -> Policy:
    """The policy of a run.

    Raises:
        UnknownPolicyError: its version is not among POLICY_VERSIONS, or what it pinned is no policy that this
            release can read.
    """
    version = version_of(specification)
    if not specification.HasField("policy"):
        return BUILT_IN[version]
    return pinned_policy(specification.policy.content)


def version_of(specification: run_pb2.RunSpecification) -> str:
    """The version of the rules that a run names.

    Raises:
        UnknownPolicyError: it is not among POLICY_VERSIONS.
    """
    version = specification.policy_version or POLICY_VERSION
    if version not in BUILT_IN:
        raise UnknownPolicyError(version)
    return version


def is_known(specification: run_pb2.RunSpecification) -> bool:
    """Whether this release can decide the run."""
    try:
        policy_of(specification)
    except UnknownPolicyError:
        return False
    return True


def policy_name(specification: run_pb2.RunSpecification) -> str:
    """`<policy id>@<revision>` of what a run pinned; empty for the built-in policy."""
    if not specification.HasField("policy"):
        return ""
    return f"{specification.policy.policy_id}@{specification.policy.revision}"


def policy_message(policy_id: str, policy: Policy) -> policy_pb2.Policy:
    """A policy in its canonical form, named by its digest."""
    return policy_pb2.Policy(
        policy_id=policy_id, revision=policy_digest(policy), content=canonical_policy(policy).decode()
    )


def default_policy() -> policy_pb2.Policy:
    """The built-in policy, as PolicyService shows it."""
    return policy_message(DEFAULT_POLICY_ID, DEFAULT)


@lru_cache(maxsize=64)
def pinned_policy(content: str) -> Policy:
    """The policy that a run pinned; runs seldom differ in it.

    Raises:
        UnknownPolicyError: it is none that this release can read.
    """
    try:
        return policy_of_json(content)
    except PolicyRefusedError as error:
        raise UnknownPolicyError(str(error)) from error
