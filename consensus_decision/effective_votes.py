"""How many independent votes a panel is worth: n_eff = K / (1 + (K - 1) * rho). Pure."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations

from consensus.v1 import run_pb2
from consensus_decision.decimals import FIXED, round_half_up
from consensus_decision.policy import Correlation
from consensus_decision.votes import Vote


def models_of(specification: run_pb2.RunSpecification, votes: Sequence[Vote]) -> list[str]:
    """The model that each persona was given to, in persona order."""
    return [vote.persona.model or specification.review_model for vote in votes]


def correlation_of(correlation: Correlation, models: Sequence[str]) -> Decimal:
    """Mean over the pairs of personas of how alike their errors are: from outcomes, where there are enough,
    or as configured for pairs on one model and on several. In four decimals; 0 for a single persona.
    """
    if correlation.fitted is not None:
        return round_half_up(correlation.fitted)
    pairs = list(combinations(models, 2))
    if not pairs:
        return Decimal(0)
    alike = Decimal(sum(one == other for one, other in pairs))
    whole = FIXED.add(
        FIXED.multiply(alike, correlation.one_model),
        FIXED.multiply(Decimal(len(pairs)) - alike, correlation.several_models),
    )
    return round_half_up(FIXED.divide(whole, Decimal(len(pairs))))


def effective_votes(personas: int, rho: Decimal) -> Decimal:
    """In four decimals. Errors that oppose one another would make more of a panel than it has personas; it is
    never worth more than these.
    """
    alike = max(Decimal(0), rho)
    whole = FIXED.add(Decimal(1), FIXED.multiply(Decimal(personas - 1), alike))
    return round_half_up(FIXED.divide(Decimal(personas), whole))
