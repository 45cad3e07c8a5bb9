"""What a run is suspected of, in words: pure."""

from collections.abc import Iterable, Sequence

from consensus.v1 import run_event_pb2, suspicion_pb2
from consensus_decision.suspicion import suspicion_name
from consensus_report import text


def suspicion_words(suspicions: Iterable[suspicion_pb2.Suspicion]) -> str:
    """`SUSPECTED INJECTION: override in idea, canary in review_critic`; empty where nothing is suspected."""
    found = [f"{suspicion_name(each.kind).lower()} in {text.clean(each.text)}" for each in suspicions]
    return f"SUSPECTED INJECTION: {', '.join(found)}" if found else ""


def suspicions_of(event: run_event_pb2.RunEvent) -> Sequence[suspicion_pb2.Suspicion]:
    """What an event adds to what its run is suspected of."""
    match event.WhichOneof("payload"):
        case "run_created":
            return event.run_created.suspicions
        case "proposal_ready":
            return event.proposal_ready.suspicions
        case "persona_review_ready":
            return event.persona_review_ready.persona_review.suspicions
    return ()
