"""What a run is suspected of, and that it withholds an approval. Pure.

A persona that reads what an obeying model wrote approves in good faith: no score and no veto speaks of it.
"""

from collections.abc import Iterable, Sequence

from consensus.v1 import panel_pb2, run_pb2, suspicion_pb2
from consensus_decision.labels import REVISE
from consensus_decision.listed import listed
from consensus_decision.steps import Finding, StepName

PROPOSAL = "proposal"
"""What the proposal is called that a run's panel reads."""


def distinct(suspicions: Iterable[suspicion_pb2.Suspicion]) -> list[suspicion_pb2.Suspicion]:
    """Each once, in their order."""
    return list({(each.text, each.kind): each for each in suspicions}.values())


def all_suspicions(
    specification: run_pb2.RunSpecification,
    of_proposal: Iterable[suspicion_pb2.Suspicion],
    reviews: Iterable[panel_pb2.PersonaReview],
) -> list[suspicion_pb2.Suspicion]:
    """Of the texts that a run is about, of its proposal and of its reviews, in this order, each once."""
    of_reviews = (suspicion for review in reviews for suspicion in review.suspicions)
    return distinct([*specification.suspicions, *of_proposal, *of_reviews])


def suspicion_finding(suspicions: Sequence[suspicion_pb2.Suspicion]) -> Finding | None:
    """What withholds an approval; None where nothing is suspected."""
    if not suspicions:
        return None
    kinds = [suspicion_name(each.kind) for each in suspicions]
    told = listed(f"{kind.lower()} in {each.text}" for kind, each in zip(kinds, suspicions, strict=True))
    return Finding(
        StepName.SUSPECTED_INJECTION,
        f"Something seems to instruct the model ({told}): somebody is to read it.",
        {"texts": ",".join(each.text for each in suspicions), "kinds": ",".join(kinds)},
        REVISE,
    )


def suspicion_name(kind: suspicion_pb2.SuspicionKind.ValueType) -> str:
    """The kind without its prefix; a number where a newer release named it."""
    if kind not in suspicion_pb2.SuspicionKind.values():
        return str(int(kind))
    return suspicion_pb2.SuspicionKind.Name(kind).removeprefix("SUSPICION_KIND_")
