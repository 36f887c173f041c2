import json

import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.statistics import dataset_statistics


def crystal(crystal_id, numbers, lattice):
    return Crystal(crystal_id, lattice, np.zeros((len(numbers), 3)), np.array(numbers))


def test_statistics_are_those_of_the_crystals():
    statistics = dataset_statistics(
        [
            crystal("a", [26, 8], 2 * np.eye(3)),
            crystal("b", [8], 4 * np.eye(3)),
            crystal("c", [94, 1], np.zeros((3, 3))),
        ]
    )
    assert statistics["atomic_numbers"] == [1, 8, 26, 94]
    assert statistics["num_atoms"] == {"1": 1, "2": 2}
    assert statistics["lattice_scale"] == pytest.approx(np.sqrt((3 * 4 + 3 * 16) / 27))
    assert json.loads(json.dumps(statistics)) == statistics


def test_the_scale_does_not_depend_on_the_orientation():
    lattice = np.array([[3.0, 0.1, 0], [0.5, 4, 1], [-1, 0, 5]])
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    one, other = (dataset_statistics([crystal("a", [1], cell)]) for cell in (lattice, lattice @ rotation))
    assert one["lattice_scale"] == pytest.approx(other["lattice_scale"], rel=1e-12)


def test_there_must_be_crystals():
    with pytest.raises(ValueError, match="holds no crystals"):
        dataset_statistics([])
