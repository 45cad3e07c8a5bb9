"""Scores and weights as exact decimals of four places, and arithmetic that is the same on every machine.
Pure.
"""

from decimal import (
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)

_PLACES = Decimal("0.0001")
_FINE_PLACES = Decimal("0.000001")
_TRAPS = [DivisionByZero, InvalidOperation, Overflow]
# Of its own, so that nobody's change to the thread's context reaches a decision.
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
FIXED = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=_TRAPS)
"""For what no decimal holds exactly. `exp` and `ln` of the decimal module are correctly rounded, and the
other operations too: the same digits wherever they are computed, as long as they are applied in the same
order.
"""


def score_from_double(value: float) -> Decimal:
    """The decimal of four places that a double stands for: the shortest that reads back, rounded half-up."""
    return round_half_up(Decimal(repr(value)))


def round_half_up(value: Decimal) -> Decimal:
    """To four places; halves go away from zero."""
    return EXACT.add(value.quantize(_PLACES, rounding=ROUND_HALF_UP, context=EXACT), Decimal(0))  # no -0


def round_finely(value: Decimal) -> Decimal:
    """To six places, for probabilities and costs; halves go away from zero."""
    return EXACT.add(value.quantize(_FINE_PLACES, rounding=ROUND_HALF_UP, context=EXACT), Decimal(0))


def plain(value: Decimal) -> str:
    """Without exponent and without zeros at its end: one text for one number."""
    text = format(value, "f")
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short


def hundredths(value: Decimal) -> str:
    """With two decimals, or as many more as it has: 0.80 and 0.8 are one number, and read the same."""
    text = plain(value)
    whole, _, places = text.partition(".")
    return f"{whole}.{places:0<2}"


def nearest_double(value: Decimal) -> float:
    """The double nearest to a decimal, as the wire carries it."""
    return float(value)
