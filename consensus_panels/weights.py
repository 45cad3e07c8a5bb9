"""Weights as whole ten-thousandths that sum to 1 exactly, whatever positive numbers they were given as."""

import math
from collections.abc import Sequence
from fractions import Fraction

WHOLE = 10_000


def normalised_weights(given: Sequence[float]) -> list[int]:
    """Shares in ten-thousandths by the method of largest remainders; of equal remainders the first win.

    Raises:
        ValueError: there is none, one is not positive and finite, or one is too small to be a share.
    """
    if not given or not all(math.isfinite(weight) and weight > 0 for weight in given):
        raise ValueError("weights are positive numbers")
    exact = [Fraction(repr(weight)) for weight in given]
    total = sum(exact)
    shares = [weight * WHOLE / total for weight in exact]
    floors = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda at: (floors[at] - shares[at], at))
    for at in by_remainder[: WHOLE - sum(floors)]:
        floors[at] += 1
    if min(floors) < 1:
        raise ValueError("a weight is less than a ten-thousandth of the whole")
    return floors
