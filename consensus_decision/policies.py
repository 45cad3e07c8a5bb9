"""The versions of the rule that this release can apply: its own, and those before. Pure.

A run names its version when it is created, and is decided under it for good: by whichever release takes it
over, and by whoever computes the decision again. When POLICY_VERSION rises, the rule that was stays among
POLICY_VERSIONS, so that runs under way across a release are decided as they began.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from consensus.v1 import decision_pb2, panel_pb2, run_pb2, suspicion_pb2
from consensus_contract.errors import Reason
from consensus_decision.decision import POLICY_VERSIONS, decide


class Rule(Protocol):
    """Makes a decision, as `decide` does."""

    def __call__(
        self,
        specification: run_pb2.RunSpecification,
        reviews: Iterable[panel_pb2.PersonaReview],
        missing: Mapping[str, Reason] | None = None,
        *,
        suspicions: Iterable[suspicion_pb2.Suspicion] = (),
    ) -> decision_pb2.Decision: ...


def rule_of(policy_version: str) -> Rule | None:
    """The rule of a version, for runs that name it; None for one that this release does not know."""
    return decide if policy_version in POLICY_VERSIONS else None
