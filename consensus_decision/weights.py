"""What share of a panel's weight some of its personas hold. Pure."""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Protocol

from consensus_decision.decimals import EXACT, round_half_up, score_from_double


class Weighted(Protocol):
    """A persona, in whatever message."""

    @property
    def persona_id(self) -> str:
        """Its id."""

    @property
    def weight(self) -> float:
        """Its weight in the panel."""


def panel_share(personas: Iterable[Weighted], persona_ids: Collection[str]) -> Decimal:
    """Of the whole panel's weight, rounded half-up to four decimals; 0 of a panel without weight."""
    weights = [(persona.persona_id, score_from_double(persona.weight)) for persona in personas]
    whole = sum((weight for _, weight in weights), Decimal(0))
    if whole <= 0:
        return Decimal(0)
    held = sum((weight for persona_id, weight in weights if persona_id in persona_ids), Decimal(0))
    return round_half_up(EXACT.divide(held, whole))
