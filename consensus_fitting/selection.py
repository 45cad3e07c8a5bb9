"""Which decisions may stand alone: fixed-sequence testing with Clopper-Pearson bounds on outcomes.

From surer decisions to less sure ones, a threshold of the posterior is tested for as long as the upper bound
of the share of wrong ones above it stays under the target; the first that fails ends it. The surest decisions
need not be the most often right ones, so the sequence has several starts, which share the risk: together
they keep the chance of a broken promise (Angelopoulos and others, Learn then Test, 2021).
"""

import math
from decimal import ROUND_CEILING, Decimal

import numpy as np
from scipy.stats import beta

from consensus_decision.policy import Policy, Selection
from consensus_fitting.applying import Judgements
from consensus_fitting.labelled_votes import Flags, Floats, LabelledVotes

RISK = 0.10
"""The chance that more than the target's share of what stands alone is wrong."""
_STEPS = 50
_STARTS = (0.0, 0.4, 0.7)
"""The shares of decisions, the surest ones, at which a sequence of tests begins."""
_EASE = 3
"""The first test has this many times the decisions that it could not pass without, were none wrong: a
sequence that begins where one wrong decision fails it ends there.
"""


def upper_bound(wrong: int, count: int, risk: float = RISK) -> float:
    """Clopper and Pearson's: with more wrong ones than that, so few would be seen with less than `risk`."""
    return 1.0 if wrong >= count else float(beta.ppf(1 - risk, wrong + 1, count - wrong))


def confidences_of(judgements: Judgements) -> Floats:
    """The posterior of the label that was decided, for each row."""
    if judgements.posteriors is None:
        raise ValueError("a policy that was not fitted has no posteriors")
    rows = np.arange(len(judgements.labels))
    return np.asarray(judgements.posteriors[rows, judgements.labels - 1])


def least_posterior(confidences: Floats, wrong: Flags, target_error: float) -> Decimal | None:
    """The lowest threshold that outcomes bear out; None where they bear out none."""
    risk = RISK / len(_STARTS)
    ordered = np.sort(confidences)[::-1]
    fewest = _EASE * math.log(risk) / math.log(1 - target_error)
    found = []
    for start in _STARTS:
        for step in range(max(1, round(start * _STEPS)), _STEPS + 1):
            above = confidences >= ordered[math.ceil(step / _STEPS * len(ordered)) - 1]
            count = int(above.sum())
            if count < fewest:
                continue
            if upper_bound(int(wrong[above].sum()), count, risk) > target_error:
                break
            found.append(float(confidences[above].min()))
    if not found:
        return None
    return Decimal(repr(min(found))).quantize(Decimal("0.000001"), rounding=ROUND_CEILING)


def wrong_ones(judgements: Judgements, votes: LabelledVotes) -> Flags:
    """Where an approval was not right, or what was right was not approved."""
    return np.asarray((judgements.labels == 1) != votes.right_approvals)


def selection_for(target_error: Decimal, judgements: Judgements, votes: LabelledVotes) -> Selection:
    """From judgements by policies that were fitted without the rows that they judge."""
    least = least_posterior(confidences_of(judgements), wrong_ones(judgements, votes), float(target_error))
    return Selection(target_error, least)


def stands_alone(policy: Policy, judgements: Judgements) -> Flags:
    """Which rows' decisions may."""
    if policy.selection is None or policy.selection.least_posterior is None:
        return np.zeros(len(judgements.labels), dtype=np.bool_)
    return np.asarray(confidences_of(judgements).round(6) >= float(policy.selection.least_posterior))
