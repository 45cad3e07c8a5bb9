"""Minority reports: the views of personas that dissent from the decision. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from consensus.v1 import decision_pb2, panel_pb2
from consensus_decision.decimals import hundredths, nearest_double, score_from_double
from consensus_decision.supported import supported

LOW_SCORE = Decimal("0.60")
_NO_RECOMMENDATION = "Address concerns raised by this persona before proceeding"


def minority_reports(
    label: decision_pb2.DecisionLabel.ValueType, reviews: Iterable[panel_pb2.PersonaReview]
) -> list[decision_pb2.MinorityReport]:
    """The reports under a label, in the order of the reviews."""
    return [_report(review) for review in reviews if _dissents(label, review)]


def _dissents(label: decision_pb2.DecisionLabel.ValueType, review: panel_pb2.PersonaReview) -> bool:
    if label == decision_pb2.DECISION_LABEL_APPROVE:
        return (
            bool(supported(review.blocking_issues)) or score_from_double(review.confidence_score) < LOW_SCORE
        )
    return label == decision_pb2.DECISION_LABEL_REVISE and bool(supported(review.blocking_issues))


def _report(review: panel_pb2.PersonaReview) -> decision_pb2.MinorityReport:
    score = score_from_double(review.confidence_score)
    return decision_pb2.MinorityReport(
        persona_id=review.persona_id,
        persona_name=review.persona_name,
        confidence_score=nearest_double(score),
        blocking_summary="; ".join(issue.text for issue in supported(review.blocking_issues))
        or f"Low confidence ({hundredths(score)}) indicates significant concerns",
        mitigation_recommendation="; ".join(review.recommendations) or _NO_RECOMMENDATION,
        strengths=review.strengths,
        concerns=[concern.text for concern in supported(review.concerns)],
    )
