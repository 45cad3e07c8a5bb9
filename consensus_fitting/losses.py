"""What fitting makes small. Pure."""

import numpy as np

from consensus_fitting.labelled_votes import Floats, Integers

_LEAST = 1e-9
"""A probability that was next to nothing costs no more than this one: one row does not decide alone."""


def log_loss(shares: Floats, right: Integers) -> float:
    """Of probabilities of shape (rows, labels) where `right` has the index of the right label; summed."""
    chances = shares[np.arange(len(right)), right]
    return float(-np.log(np.maximum(chances, _LEAST)).sum())
