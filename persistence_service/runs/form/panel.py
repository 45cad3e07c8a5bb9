"""What a run's reviews and decision are held against: its personas, quorum and policy. Pure."""

from dataclasses import dataclass
from functools import lru_cache

from consensus.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class Panel:
    """What the run named when it was created; one object for all runs that named the same."""

    specification: run_pb2.RunSpecification
    """Personas, quorum and policy version; and, where a caller wrote it, the proposal; how a document is
    expanded.
    """
    persona_ids: frozenset[str]


def panel_of(specification: run_pb2.RunSpecification) -> Panel:
    """The panel of a specification that persistence stored, or is about to."""
    kept = run_pb2.RunSpecification(
        personas=specification.personas,
        quorum=specification.quorum if specification.HasField("quorum") else None,
        policy_version=specification.policy_version,
        document_expansion=specification.document_expansion,
    )
    if specification.HasField("proposal"):
        kept.proposal.CopyFrom(specification.proposal)
    return _panel(kept.SerializeToString(deterministic=True))


@lru_cache(maxsize=256)
def _panel(serialised: bytes) -> Panel:
    """Runs seldom differ in it: a stream keeps no copy of its own."""
    specification = run_pb2.RunSpecification.FromString(serialised)
    return Panel(specification, frozenset(persona.persona_id for persona in specification.personas))


NO_PANEL = panel_of(run_pb2.RunSpecification())
"""Nobody's."""
