"""What people say beside a panel: their reviews as votes of the same kind. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from consensus.v1 import human_review_pb2, panel_pb2
from consensus_decision.decimals import nearest_double, round_half_up, score_from_double
from consensus_decision.policy import Policy
from consensus_decision.votes import Vote, total

_PREFIX = "human:"
"""What no persona's id begins with."""


def person_of(review: human_review_pb2.HumanReview) -> tuple[str, str]:
    """Who reviewed: the user, or the caller where it acted for nobody; never one for the other."""
    return (review.user, "") if review.user else ("", review.caller)


def live_reviews(reviews: Iterable[human_review_pb2.HumanReview]) -> list[human_review_pb2.HumanReview]:
    """The newest of each person, in the order of their ids; ids made later are greater."""
    newest: dict[tuple[str, str], human_review_pb2.HumanReview] = {}
    for review in sorted(reviews, key=_age):
        newest[person_of(review)] = review
    return sorted(newest.values(), key=lambda review: review.review_id)


def _age(review: human_review_pb2.HumanReview) -> tuple[int, int, str]:
    return review.create_time.seconds, review.create_time.nanos, review.review_id


def votes_of_people(
    policy: Policy, personas: Sequence[panel_pb2.Persona], reviews: Iterable[human_review_pb2.HumanReview]
) -> list[Vote]:
    """The live reviews, each with its share of the whole panel's weight; none where people do not count.

    Raises:
        ValueError: a score outside 0 to 1.
    """
    if not policy.counts_people:
        return []
    panel = total(score_from_double(persona.weight) for persona in personas)
    weight = round_half_up(policy.human_weight * panel)
    return [_vote(review, weight) for review in live_reviews(reviews)]


def _vote(review: human_review_pb2.HumanReview, weight: Decimal) -> Vote:
    if not 0 <= review.confidence_score <= 1:
        raise ValueError(f"the score of {review.review_id} is not between 0 and 1")
    persona_id, name = _PREFIX + review.review_id, review.user or review.caller
    return Vote(
        panel_pb2.Persona(persona_id=persona_id, display_name=name, weight=nearest_double(weight)),
        panel_pb2.PersonaReview(
            persona_id=persona_id,
            persona_name=name,
            confidence_score=review.confidence_score,
            strengths=review.strengths,
            concerns=review.concerns,
            blocking_issues=review.blocking_issues,
            recommendations=review.recommendations,
        ),
        weight,
        score_from_double(review.confidence_score),
        is_human=True,
    )
