"""Coverage by CDVAE's definition."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sunflow.evaluation.coverage import Cutoffs, Fingerprints, coverage, nearest_distances
from sunflow.evaluation.rates import wilson_interval

RANDOM = np.random.default_rng(0)


def prints(structure, composition, num_requested=None):
    structure, composition = np.array(structure, float)[:, None], np.array(composition, float)[:, None]
    return Fingerprints(structure, composition, num_requested or len(structure))


def test_nearest_distances_are_those_of_the_full_matrix():
    points, others = RANDOM.normal(size=(1300, 7)), RANDOM.normal(size=(90, 7))
    np.testing.assert_array_equal(nearest_distances(points, others), cdist(points, others).min(1))
    assert len(nearest_distances(points[:0], others)) == 0
    assert np.isinf(nearest_distances(points[:2], others[:0])).all()


def test_the_two_minima_may_belong_to_different_crystals():
    """One reference crystal; the first generated one is near in structure, the second in composition."""
    row = coverage(prints([0.0, 9.0], [9.0, 0.0]), prints([0.0], [0.0]), Cutoffs(1.0, 1.0), 0)
    assert row["recall"] == 1.0
    assert row["precision"] == 0.0
    assert row["amsd_recall"] == row["amcd_recall"] == 0.0
    assert row["amsd_precision"] == row["amcd_precision"] == 4.5


def test_cutoffs_are_included():
    assert coverage(prints([0.4], [10.0]), prints([0.0], [0.0]), Cutoffs(0.4, 10.0), 0)["precision"] == 1.0
    assert coverage(prints([0.41], [10.0]), prints([0.0], [0.0]), Cutoffs(0.4, 10.0), 0)["precision"] == 0.0


def test_crystals_without_fingerprints_are_asked_for_and_not_covered():
    row = coverage(prints([0.0, 0.0], [0.0, 0.0], num_requested=8), prints([0.0], [0.0], 2), Cutoffs(1.0, 1.0), 0)
    assert (row["precision"], row["recall"]) == (2 / 8, 1 / 2)
    assert (row["precision_low"], row["precision_high"]) == wilson_interval(2, 8)
    assert row["amsd_precision"] == 0.0


@pytest.mark.parametrize("empty", [(0, 3), (3, 0), (0, 0)])
def test_without_any_fingerprint_nothing_is_covered(empty):
    generated, reference = (prints(np.zeros(number), np.zeros(number), 5) for number in empty)
    row = coverage(generated, reference, Cutoffs(1.0, 1.0), 0)
    assert row["recall"] == row["precision"] == 0.0
    assert row["amsd_recall"] is None and row["amcd_precision"] is None


def test_a_set_covers_itself_and_order_does_not_matter():
    structure, composition = RANDOM.normal(size=(40, 61)), RANDOM.normal(size=(40, 132))
    order = RANDOM.permutation(40)
    one = Fingerprints(structure, composition, 40)
    other = Fingerprints(structure[order], composition[order], 40)
    row = coverage(one, other, Cutoffs(1e-9, 1e-9), 0)
    assert row["recall"] == row["precision"] == 1.0
    assert row["amsd_recall"] == row["amcd_precision"] == 0.0


def test_recall_and_precision_exchange_with_the_sets():
    one = prints(RANDOM.normal(size=30), RANDOM.normal(size=30))
    other = prints(RANDOM.normal(1.0, size=20), RANDOM.normal(size=20))
    there, back = coverage(one, other, Cutoffs(0.1, 0.1), 0), coverage(other, one, Cutoffs(0.1, 0.1), 0)
    for kind in ("", "amsd_", "amcd_"):
        assert there[f"{kind}recall"] == back[f"{kind}precision"]
    assert 0 < there["recall"] < 1
    assert there["amsd_recall_low"] < there["amsd_recall"] < there["amsd_recall_high"]
