"""How alike the errors of a panel's personas are. Pure."""

from itertools import combinations

import numpy as np

from consensus_fitting.labelled_votes import Floats, LabelledVotes

_LEAST_SHARED = 10
"""Two personas who both answered less often say nothing of how alike they are."""


def error_correlation(votes: LabelledVotes) -> float | None:
    """Mean over the pairs of personas of the correlation of their errors, where an error is an approval of
    what was not to be approved or the reverse; None where no pair says anything.
    """
    approvals = votes.approvals
    errors = np.where(np.isnan(approvals), np.nan, approvals != votes.right_approvals[:, None])
    pairs = combinations(range(errors.shape[1]), 2)
    found = [each for one, other in pairs if (each := _pearson(errors[:, one], errors[:, other])) is not None]
    return float(np.mean(found)) if found else None


def _pearson(one: Floats, other: Floats) -> float | None:
    shared = ~np.isnan(one) & ~np.isnan(other)
    if shared.sum() < _LEAST_SHARED or one[shared].std() == 0 or other[shared].std() == 0:
        return None
    return float(np.corrcoef(one[shared], other[shared])[0, 1])


def effective_share(votes: LabelledVotes) -> float:
    """n_eff / K: the share of the personas' votes that counts where they copy one another."""
    personas = len(votes.personas)
    alike = max(0.0, error_correlation(votes) or 0.0)
    return 1 / (1 + (personas - 1) * alike)
