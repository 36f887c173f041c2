"""Published figures and fingerprints of compositions."""

import numpy as np
import pytest
from matminer.featurizers.composition.composite import ElementProperty
from pymatgen.core import Composition

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.composition_fingerprint import composition_fingerprint
from sunflow.evaluation.published import BENCHMARKS, published


def test_diffcsp_on_mp20():
    (row,) = [
        row for row in published("mp20", ["structural", "compositional_cdvae", "recall"]) if row["method"] == "DiffCSP"
    ]
    assert (row["structural"], row["compositional_cdvae"], row["recall"]) == (1.0, 0.8325, 0.9971)
    assert "table 1" in row["protocol"]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_has_figures_and_rates_are_shares(benchmark):
    rows = list(published(benchmark, ["recall", "precision", "match_rate", "sun"]))
    assert rows
    for row in rows:
        assert all(0 <= value <= 1 for name, value in row.items() if name not in ("method", "protocol"))


def test_nothing_is_published_of_other_data():
    assert list(published(None, ["recall"])) == list(published("demo", ["recall"])) == []


def crystal(*atomic_numbers):
    return Crystal("a", 4 * np.eye(3), np.zeros((len(atomic_numbers), 3)), np.array(atomic_numbers))


def test_composition_fingerprints_are_magpies_standardised():
    """The first six constants of CDVAE, by hand, and the whole by matminer."""
    features = ElementProperty.from_preset("magpie", impute_nan=False).featurize(Composition("NaCl"))
    fingerprint = composition_fingerprint(crystal(11, 17))
    assert len(fingerprint) == 132
    assert fingerprint[0] == pytest.approx((11 - 21.1944) / 16.3578)
    assert fingerprint[1] == pytest.approx((17 - 58.2021) / 20.1895)
    assert fingerprint[3] == pytest.approx((features[3] - 36.5274) / 16.8168)


def test_multiples_and_order_do_not_matter():
    one, other = composition_fingerprint(crystal(11, 17)), composition_fingerprint(crystal(17, 11, 11, 17))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_what_magpie_does_not_know_is_zero():
    """As published; such a fingerprint is far from all others."""
    assert composition_fingerprint(crystal(118))[6:].tolist() == [0.0] * 126
