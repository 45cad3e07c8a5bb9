"""Which decisions may stand alone."""

from decimal import Decimal

import numpy as np
import pytest

from consensus_fitting.bench import select
from consensus_fitting.selection import least_posterior, upper_bound
from consensus_fitting.synthetic import Panel, drawn


def test_the_bound_is_clopper_and_pearsons() -> None:
    assert upper_bound(0, 43, 0.1) == pytest.approx(1 - 0.1 ** (1 / 43))
    assert upper_bound(3, 3) == 1
    # From a table of exact binomial limits: 2 of 20, one-sided at 95 %.
    assert upper_bound(2, 20, 0.05) == pytest.approx(0.2826, abs=1e-4)


def test_nothing_stands_alone_where_too_much_is_wrong() -> None:
    sure = np.linspace(0.5, 1, 200)

    assert least_posterior(sure, np.arange(200) % 3 == 0, 0.15) is None
    assert least_posterior(sure[:10], np.zeros(10, dtype=bool), 0.15) is None


def test_the_threshold_is_where_errors_begin() -> None:
    sure = np.linspace(0.5, 1, 1000)

    found = least_posterior(sure, sure < 0.75, 0.1)

    assert found is not None
    assert Decimal("0.7") < found < Decimal("0.76")


def test_the_promise_is_kept_in_most_trials() -> None:
    row = select(drawn(Panel(), 3000, seed=9), labels=300, splits=20, target_error=Decimal("0.2"))

    assert row.coverage > 0.3
    assert row.broken <= 0.15
