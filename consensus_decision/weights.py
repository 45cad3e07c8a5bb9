"""What share of a panel's weight some of its personas hold. Pure."""

from collections.abc import Collection, Iterable
from decimal import Decimal

from consensus.v1 import panel_pb2
from consensus_decision.decimals import EXACT, round_half_up, score_from_double


def panel_share(personas: Iterable[panel_pb2.Persona], persona_ids: Collection[str]) -> Decimal:
    """Of the whole panel's weight, rounded half-up to four decimals; 0 of a panel without weight."""
    weights = [(persona.persona_id, score_from_double(persona.weight)) for persona in personas]
    whole = sum((weight for _, weight in weights), Decimal(0))
    if whole <= 0:
        return Decimal(0)
    held = sum((weight for persona_id, weight in weights if persona_id in persona_ids), Decimal(0))
    return round_half_up(EXACT.divide(held, whole))
