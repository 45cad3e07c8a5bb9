"""Scores and weights as exact decimals of four places. Pure."""

from decimal import ROUND_HALF_UP, Context, Decimal

_PLACES = Decimal("0.0001")
# Of its own, so that nobody's change to the thread's context reaches a decision.
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


def score_from_double(value: float) -> Decimal:
    """The decimal of four places that a double stands for: the shortest that reads back, rounded half-up."""
    return round_half_up(Decimal(repr(value)))


def round_half_up(value: Decimal) -> Decimal:
    """To four places; halves go away from zero."""
    return value.quantize(_PLACES, rounding=ROUND_HALF_UP, context=EXACT) + Decimal(0)  # no -0


def nearest_double(value: Decimal) -> float:
    """The double nearest to a decimal, as the wire carries it."""
    return float(value)
