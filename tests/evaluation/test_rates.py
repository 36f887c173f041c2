"""Wilson's interval, against published values and SciPy."""

import pytest
from scipy.stats import binomtest

from sunflow.evaluation.rates import wilson_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 48), (5, 10), (1216, 10_000), (10, 10)])
def test_agrees_with_scipy(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_tried_says_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
