"""How much of a panel read the very text that is decided about. Pure.

A review that was carried over is stale when the proposal that its persona read differs from the run's in any
section. Stale reviews count as scores, but cannot carry an approval by themselves.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from consensus.v1 import panel_pb2
from consensus_decision.decimals import hundredths
from consensus_decision.labels import REVISE
from consensus_decision.listed import listed
from consensus_decision.policy import DEFAULT
from consensus_decision.steps import Finding, StepName
from consensus_decision.weights import panel_share

LEAST_FRESH_WEIGHT = DEFAULT.least_fresh_weight or Decimal(0)
"""Share of the panel's weight that must have read a changed text before the built-in policy approves it."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """The share of the panel's weight that read the text, whether a holder of a veto did (where the panel has
    one), and whose reviews are stale: at least one.
    """

    weight: Decimal
    veto_holder_read: bool
    stale: Sequence[panel_pb2.PersonaReview]


def freshness(
    personas: Sequence[panel_pb2.Persona],
    reviews: Sequence[panel_pb2.PersonaReview],
    holders: Collection[str],
) -> Freshness | None:
    """None when no review is stale; `reviews` are in persona order, `holders` hold a veto."""
    stale = [review for review in reviews if review.stale_sections]
    if not stale:
        return None
    fresh = {review.persona_id for review in reviews if not review.stale_sections}
    return Freshness(panel_share(personas, fresh), not holders or not fresh.isdisjoint(holders), stale)


def freshness_finding(fresh: Freshness, least: Decimal) -> Finding | None:
    """What withholds an approval; None where enough of the panel read the text."""
    is_enough = fresh.weight >= least
    if is_enough and fresh.veto_holder_read:
        return None
    holders = "" if fresh.veto_holder_read else ", and nobody who holds a veto"
    held = "" if is_enough else f", less than {hundredths(least)}"
    names = listed(review.persona_name or review.persona_id for review in fresh.stale)
    return Finding(
        StepName.FRESH_WEIGHT,
        f"{fresh.weight} of the panel's weight read this very text{held}{holders};"
        f" {names} read an earlier one.",
        {
            "fresh_weight": str(fresh.weight),
            "least_fresh_weight": hundredths(least),
            "veto_holder_read": str(fresh.veto_holder_read).lower(),
            "stale_persona_ids": ",".join(review.persona_id for review in fresh.stale),
        },
        REVISE,
    )
