"""A decision that is explained, or made again, counts what its run is suspected of."""

import pytest

from consensus.v1 import decision_pb2, run_pb2, suspicion_pb2
from consensus_decision.decision import decide
from consensus_decision.policies import default_policy
from persistence_service.decisions.deciding import decided_again, explained
from tests.support.engine import PANEL, reviews, specification

APPROVE, REVISE = decision_pb2.DECISION_LABEL_APPROVE, decision_pb2.DECISION_LABEL_REVISE


def decided(*suspected: suspicion_pb2.Suspicion) -> run_pb2.Run:
    """A run as it is read, with what its proposal is suspected of."""
    found = reviews(**dict.fromkeys(PANEL.ids, 0.95))
    return run_pb2.Run(
        run_id="r",
        specification=specification(),
        persona_reviews=found,
        suspicions=suspected,
        decision=decide(specification(), found, suspicions=suspected),
    )


@pytest.mark.parametrize(
    ("suspected", "label"),
    [
        ([], APPROVE),
        ([suspicion_pb2.Suspicion(text="proposal", kind=suspicion_pb2.SUSPICION_KIND_CANARY)], REVISE),
    ],
)
def test_what_a_proposal_is_suspected_of_counts_again(
    suspected: list[suspicion_pb2.Suspicion], label: decision_pb2.DecisionLabel.ValueType
) -> None:
    run = decided(*suspected)

    explanation, again = explained(run, None), decided_again(run, default_policy())

    assert explanation.as_stored
    assert [explanation.decision.label, again.decision.label] == [label, label]
