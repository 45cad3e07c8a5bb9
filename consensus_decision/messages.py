"""What stands beside a decision, as the contract has it. Pure."""

from collections.abc import Iterable

from consensus.v1 import decision_pb2
from consensus_decision.assessment import Assessment, LabelAssessment
from consensus_decision.decimals import nearest_double
from consensus_decision.flips import Flip
from consensus_decision.steps import Step


def assessment_message(assessment: Assessment) -> decision_pb2.DecisionAssessment:
    """An assessment as a message."""
    return decision_pb2.DecisionAssessment(
        labels=label_messages(assessment.labels),
        effective_votes=str(assessment.effective_votes),
        rho=str(assessment.rho),
        rho_fitted=assessment.is_rho_fitted,
        margin=str(assessment.margin),
        flip=None if assessment.flip is None else _flip(assessment.flip),
        uncalibrated=assessment.uncalibrated,
        one_model=assessment.one_model,
        stands_alone=assessment.may_stand_alone,
    )


def label_messages(labels: Iterable[LabelAssessment]) -> list[decision_pb2.LabelAssessment]:
    """Probabilities and expected costs as messages."""
    return [
        decision_pb2.LabelAssessment(
            label=each.label, posterior=str(each.posterior), expected_loss=str(each.expected_loss)
        )
        for each in labels
    ]


def step_messages(steps: Iterable[Step]) -> list[decision_pb2.DecisionStep]:
    """Steps as messages."""
    return [
        decision_pb2.DecisionStep(
            name=each.name,
            fired=each.fired,
            label=each.label or decision_pb2.DECISION_LABEL_UNSPECIFIED,
            explanation=each.explanation,
            data=each.data,
        )
        for each in steps
    ]


def _flip(flip: Flip) -> decision_pb2.DecisionFlip:
    return decision_pb2.DecisionFlip(
        persona_id=flip.persona_id,
        from_score=nearest_double(flip.from_score),
        to_score=nearest_double(flip.to_score),
        label=flip.label,
    )
