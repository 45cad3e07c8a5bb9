"""How sure a stored decision is. Pure."""

from consensus.v1 import run_pb2
from consensus_decision.assessment import assess
from consensus_decision.decision import evaluation_of
from consensus_decision.messages import assessment_message


def note_assessment(run: run_pb2.Run) -> None:
    """Sets the assessment of a run that is whole, where this release can decide it again."""
    try:
        evaluation = evaluation_of(run.specification, run.persona_reviews, suspicions=run.suspicions)
    except ValueError:  # of a policy of another release, or of reviews that are recorded no more
        return
    run.assessment.CopyFrom(assessment_message(assess(evaluation)))
