"""Distances of distributions, their published protocol and their uncertainty."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from sunflow.evaluation.bootstrap import bootstrap_interval
from sunflow.evaluation.distributions import distribution_distances, space_group_distance

RANDOM = np.random.default_rng(0)


def table(density, valid=True, **more):
    return pd.DataFrame({"density": density, "valid": valid, **more})


def rows_of(generated, reference, name="density"):
    return [row for row in distribution_distances(generated, reference, 0) if row["property"] == name]


def test_shifted_distributions_are_as_far_as_they_are_shifted():
    known = RANDOM.normal(5, 1, 4000)
    drawn, whole = rows_of(table(RANDOM.normal(7, 1, 3000)), table(known))
    for row in (drawn, whole):
        assert row["distance"] == pytest.approx(2.0, abs=0.1)
        assert row["low"] < row["distance"] < row["high"]
        assert row["num_reference"] == 4000
    assert (drawn["num_generated"], whole["num_generated"]) == (1000, 3000)
    assert "1000 valid crystals drawn" in drawn["protocol"]


def test_the_published_protocol_takes_valid_crystals_alone():
    values = np.concatenate([np.zeros(1500), np.full(1500, 10.0)])
    drawn, whole = rows_of(table(values, valid=values == 0), table(np.zeros(100)))
    assert drawn["distance"] == 0
    assert whole["distance"] == pytest.approx(5.0)


def test_fewer_than_a_thousand_valid_crystals_are_all_taken():
    drawn, _ = rows_of(table([1.0, 2.0, 50.0], valid=[True, True, False]), table([1.0, 2.0]))
    assert drawn["distance"] == 0 and drawn["num_generated"] == 2
    assert "no more than 1000" in drawn["protocol"]


def test_what_nobody_knows_has_no_row():
    unknown = table([1.0], energy_per_atom=[np.nan])
    assert not rows_of(unknown, unknown, "energy_per_atom")
    assert not rows_of(table([]), table([1.0]))
    assert not rows_of(table([1.0], valid=False), table([1.0]), "space_group")


def test_same_seed_same_rows():
    one, other = table(RANDOM.normal(size=1500)), table(RANDOM.normal(size=800))
    assert rows_of(one, other) == rows_of(one, other)


def test_space_groups_that_never_meet_are_as_far_as_can_be():
    assert space_group_distance(np.array([1, 2]), np.array([229, 230])) == pytest.approx(math.sqrt(math.log(2)))
    assert space_group_distance(np.array([1, 2]), np.array([2, 1, 1, 2])) == 0


def test_space_group_distance_in_closed_form():
    """P = (1, 0), Q = (1/2, 1/2): the mean is (3/4, 1/4)."""
    divergence = 0.5 * math.log(4 / 3) + 0.5 * (0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    assert space_group_distance(np.array([5, 5]), np.array([5, 9])) == pytest.approx(math.sqrt(divergence))


def test_bootstrap_of_a_mean_is_the_normal_interval():
    sample = RANDOM.normal(3, 1, 2000)
    low, high = bootstrap_interval(np.mean, [sample], np.random.default_rng(1))
    half = norm.ppf(0.975) * sample.std() / math.sqrt(2000)
    assert low == pytest.approx(sample.mean() - half, abs=0.3 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.3 * half)


def test_the_interval_of_a_distance_holds_it_though_resamples_lie_higher():
    one, other = RANDOM.integers(1, 231, 300), RANDOM.integers(1, 231, 300)
    low, high = bootstrap_interval(space_group_distance, [one, other], np.random.default_rng(1))
    assert 0 <= low < space_group_distance(one, other) < high
