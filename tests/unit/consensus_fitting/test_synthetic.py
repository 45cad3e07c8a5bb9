"""Synthetic panels: the exact limit, computed a second time in another way."""

from decimal import Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from consensus_decision.policy import LossMatrix
from consensus_fitting.synthetic import ABSENT, Panel, bayes_limit, drawn, patterns, run_scenario, scenarios

LOSS = LossMatrix.of_false_approval(Decimal(2))
BY_NAME = {each.name: each for each in scenarios()}


def limit_by_fractions(panel: Panel) -> Fraction:
    """Sums over what happened instead of over factors: who is missing, who copies, and who is right."""

    def of(value: float) -> Fraction:
        return Fraction(repr(value))

    people = range(len(panel.accuracies))
    chance: dict[tuple[tuple[int, ...], int], Fraction] = {}
    source = sum((of(each) for each in panel.accuracies), Fraction(0)) / len(panel.accuracies)
    for right, common_right in product((0, 1), repeat=2):
        share = of(panel.base_rate) if right else 1 - of(panel.base_rate)
        share *= source if common_right else 1 - source
        common = right if common_right else 1 - right
        outcomes: list[dict[int, Fraction]] = []
        for person in people:
            votes = {0: Fraction(0), 1: Fraction(0), ABSENT: of(panel.missing)}
            for is_missing, copies, is_right in product((False,), (True, False), (True, False)):
                if is_missing:
                    continue
                accuracy = of(panel.accuracies[person])
                part = (1 - of(panel.missing)) * (of(panel.copying) if copies else 1 - of(panel.copying))
                part *= accuracy if is_right else 1 - accuracy
                vote = common if copies else (right if is_right else 1 - right)
                votes[1 if person < panel.attacked else vote] += part
            outcomes.append(votes)
        for pattern in product((0, 1, ABSENT), repeat=len(panel.accuracies)):
            whole = share
            for person, vote in enumerate(pattern):
                whole *= outcomes[person][vote]
            chance[pattern, right] = chance.get((pattern, right), Fraction(0)) + whole
    seen = {pattern for pattern, _ in chance}
    return sum((min(2 * chance[each, 0], chance[each, 1]) for each in seen), Fraction(0))


@pytest.mark.parametrize("name", BY_NAME)
def test_the_limit_is_exact(name: str) -> None:
    panel = BY_NAME[name].met

    assert bayes_limit(panel, LOSS) == pytest.approx(float(limit_by_fractions(panel)), abs=1e-9)


def test_probabilities_sum_to_one_and_draws_follow_them() -> None:
    panel = Panel(missing=0.2)
    _, joint = patterns(panel)
    votes = drawn(panel, 20_000, seed=0)

    assert joint.sum() == pytest.approx(1)
    assert float(votes.right_approvals.mean()) == pytest.approx(panel.base_rate, abs=0.02)
    assert float(np.isnan(votes.opinions).mean()) == pytest.approx(0.2, abs=0.02)


def test_no_rule_is_below_the_limit_and_the_tempered_one_is_near_it() -> None:
    row = run_scenario(BY_NAME["copying 0.4"], labels=100, draws=6, loss=LOSS)

    assert all(cost >= row.limit - 1e-12 for cost in row.costs.values())
    assert row.costs["log-odds, tempered"] < row.limit + 0.02
