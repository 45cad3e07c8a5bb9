"""What people say of a run beside its panel. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from consensus.v1 import run_pb2
from consensus_contract.errors import Reason
from consensus_decision.decision import decision_of, with_people
from persistence_service.runs.form.human_reviews import human_review_message


def note_people(run: run_pb2.Run, rows: Iterable[Mapping[Any, Any]]) -> None:
    """Sets the live reviews of a decided run, and the decision with them where its policy counts them."""
    found = map(human_review_message, rows)
    run.human_reviews.extend(sorted(found, key=lambda review: review.review_id))
    if not run.human_reviews:
        return
    try:
        evaluation = with_people(
            run.specification, run.persona_reviews, run.human_reviews, suspicions=run.suspicions
        )
    except ValueError:  # of a policy of another release, or of reviews that are recorded no more
        return
    if evaluation is not None:
        run.decision_with_humans.CopyFrom(decision_of(evaluation, missing_reasons(run)))


def missing_reasons(run: run_pb2.Run) -> dict[str, Reason]:
    """Why personas have no review, as the stored decision says."""
    return {each.persona_id: each.reason for each in run.decision.completeness.missing_personas}
