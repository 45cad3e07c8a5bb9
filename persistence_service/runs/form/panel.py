"""What a run's reviews and decision are held against: its personas, quorum and policy. Pure."""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

from consensus.v1 import proposal_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class RunPanel:
    """What the run named when it was created; one object for all runs that named the same."""

    specification: run_pb2.RunSpecification
    """Personas, quorum, policy and its version; how a document is expanded; what its texts are suspected of.
    """
    persona_ids: frozenset[str]
    given_proposal: bytes | None = None
    """Digest of the proposal that the run records as its caller wrote it; None where the model makes one, as
    it does of the edits of a revision.
    """


def panel_of(specification: run_pb2.RunSpecification) -> RunPanel:
    """The panel of a specification that persistence stored, or is about to."""
    kept = run_pb2.RunSpecification(
        personas=specification.personas,
        quorum=specification.quorum if specification.HasField("quorum") else None,
        policy_version=specification.policy_version,
        document_expansion=specification.document_expansion,
        suspicions=specification.suspicions,
        policy=specification.policy if specification.HasField("policy") else None,
    )
    panel = _panel(kept.SerializeToString(deterministic=True))
    if not specification.HasField("proposal") or specification.HasField("revision"):
        return panel
    return replace(panel, given_proposal=proposal_digest(specification.proposal))


def proposal_digest(proposal: proposal_pb2.Proposal) -> bytes:
    """The same for proposals that say the same."""
    return hashlib.sha256(proposal.SerializeToString(deterministic=True)).digest()


@lru_cache(maxsize=256)
def _panel(serialised: bytes) -> RunPanel:
    """Runs seldom differ in it: a stream keeps no copy of its own."""
    specification = run_pb2.RunSpecification.FromString(serialised)
    return RunPanel(specification, frozenset(persona.persona_id for persona in specification.personas))


NO_PANEL = panel_of(run_pb2.RunSpecification())
"""Nobody's."""
