"""The reviews of a panel as exact numbers, in persona order, whichever order they came in. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from consensus.v1 import panel_pb2
from consensus_decision.decimals import EXACT, round_half_up, score_from_double
from consensus_decision.policy import Policy, Thresholds
from consensus_decision.supported import supported


@dataclass(frozen=True, slots=True)
class Vote:
    """One persona's review, or one person's, with its weight and score exact."""

    persona: panel_pb2.Persona
    review: panel_pb2.PersonaReview
    weight: Decimal
    score: Decimal
    is_human: bool = False

    def is_approval(self, thresholds: Thresholds) -> bool:
        """Whether the persona by itself would approve."""
        return self.score >= thresholds.approve and not supported(self.review.blocking_issues)


def weighted_panel(personas: Iterable[panel_pb2.Persona], policy: Policy) -> list[panel_pb2.Persona]:
    """The panel, with the weights that the policy has for some of it."""
    return [_weighted(persona, policy) for persona in personas]


def _weighted(persona: panel_pb2.Persona, policy: Policy) -> panel_pb2.Persona:
    weight = policy.weights.get(persona.persona_id)
    if weight is None:
        return persona
    other = panel_pb2.Persona()
    other.CopyFrom(persona)
    other.weight = float(weight)
    return other


def votes_of(personas: Sequence[panel_pb2.Persona], reviews: Sequence[panel_pb2.PersonaReview]) -> list[Vote]:
    """The reviews, checked.

    Raises:
        ValueError: no reviews, two of one persona, one of a persona that is not in the panel, or a score
            outside 0 to 1.
    """
    by_id = {review.persona_id: review for review in reviews}
    unknown = by_id.keys() - {persona.persona_id for persona in personas}
    if not reviews or len(by_id) != len(reviews) or unknown:
        raise ValueError("a decision needs reviews, one per persona, of personas of the panel")
    return [
        Vote(
            persona,
            by_id[persona.persona_id],
            score_from_double(persona.weight),
            _score(by_id[persona.persona_id]),
        )
        for persona in personas
        if persona.persona_id in by_id
    ]


def _score(review: panel_pb2.PersonaReview) -> Decimal:
    if not 0 <= review.confidence_score <= 1:
        raise ValueError(f"the score of {review.persona_id} is not between 0 and 1")
    return score_from_double(review.confidence_score)


def total(values: Iterable[Decimal]) -> Decimal:
    """Their sum."""
    return sum(values, Decimal(0))


def present_weight(votes: Iterable[Vote]) -> Decimal:
    """The weight of those who answered.

    Raises:
        ValueError: they have none.
    """
    weight = total(vote.weight for vote in votes)
    if weight <= 0:
        raise ValueError("the personas present have no weight")
    return weight


def weighted_mean(votes: Sequence[Vote]) -> Decimal:
    """Of the scores; rounded once, at the end."""
    return round_half_up(
        EXACT.divide(total(vote.weight * vote.score for vote in votes), present_weight(votes))
    )


def absent_ids(personas: Iterable[panel_pb2.Persona], votes: Iterable[Vote]) -> list[str]:
    """Who of the panel has no review, in persona order."""
    present = {vote.persona.persona_id for vote in votes}
    return [persona.persona_id for persona in personas if persona.persona_id not in present]
