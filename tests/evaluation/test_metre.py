"""METRe and cRMSE: two polymorphs, and predictions that are for one and match the other."""

import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.match_rate import MatchRate
from sunflow.evaluation.metre import metre, pairs_with_others, smallest_rmsds
from sunflow.evaluation.structure_prediction import Pair, judge


def salt(name, shift=0.0, numbers=(11, 17)):
    """rmsd of two is the difference of their shifts in Å / 2 / 4 Å; they match below 4 Å."""
    positions = np.array([[0, 0, 0], [0.5 + shift / 16, 0.5, 0.5]])
    return Crystal(name, np.diag([16.0, 2.0, 4.0]), positions, np.array(numbers))


REFERENCES = [salt("near"), salt("far", 8.0), salt("other", numbers=(3, 9)), salt("alone", numbers=(19, 35))]


def test_every_prediction_of_a_composition_counts_for_every_reference_of_it():
    """The prediction of `near` matches `far`, whose own prediction failed."""
    predictions = [salt("p0", 7.0), Crystal.failure("p1", "no"), salt("p2", 1.0, (3, 9)), salt("p3", 8.0, (19, 35))]
    pairs = [Pair(prediction, target, 0) for prediction, target in zip(predictions, REFERENCES, strict=True)]
    others = list(pairs_with_others(pairs))
    assert [(pair.prediction.crystal_id, pair.target.crystal_id) for pair in others] == [("p0", "far"), ("p1", "near")]
    smallest = smallest_rmsds([judge(pair) for pair in [*pairs, *others]])
    spacing = 64 ** (1 / 3)
    assert smallest["far"] == smallest["other"] == pytest.approx(0.5 / spacing, rel=1e-6)
    assert (smallest["near"], smallest["alone"]) == (None, None)
    found = metre(smallest)
    assert (found.num_pairs, found.num_matches, found.rate) == (4, 2, 0.5)
    assert found.rmse == pytest.approx(0.5 / spacing, rel=1e-6)
    assert found.crmse == pytest.approx((2 * 0.5 / spacing + 2 * 0.5) / 4, rel=1e-6)


def test_the_smallest_of_several_and_of_none():
    rows = [{"target_id": "a", "rmsd": value} for value in (None, 0.3, 0.1, None)]
    assert smallest_rmsds([*rows, {"target_id": "b", "rmsd": None}]) == {"a": 0.1, "b": None}


@pytest.mark.parametrize(
    ("smallest", "rate", "crmse"),
    [({"a": None, "b": None}, 0.0, 0.5), ({"a": 0.0, "b": 0.0}, 1.0, 0.0), ({"a": 0.1, "b": None}, 0.5, 0.3)],
)
def test_what_nothing_matches_costs_the_tolerance(smallest, rate, crmse):
    found = metre(smallest)
    assert found.rate == rate and found.crmse == pytest.approx(crmse)


def test_matching_less_can_improve_the_rmse_but_not_the_corrected_one():
    fewer, more = MatchRate(10, 2, 0.01), MatchRate(10, 8, 0.1)
    assert fewer.rmse < more.rmse and fewer.crmse > more.crmse
