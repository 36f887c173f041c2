"""Weights of coordination numbers against pymatgen's CrystalNN."""

import math
import warnings

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure
from pymatgen.core.local_env import CrystalNN

from sunflow.evaluation.near_neighbors import (
    Coordination,
    DegenerateError,
    coordination,
    covalent_radius,
    electronegativity,
)
from sunflow.evaluation.voronoi_faces import Faces, voronoi_faces

EXAMPLES = [
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    Structure.from_spacegroup("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    Structure(Lattice.hexagonal(2.46, 6.7), ["C", "C"], [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]),
    Structure(Lattice.cubic(6), ["He", "Xe"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    Structure(Lattice.cubic(25), ["H"], [[0, 0, 0]]),
]


def random_structure(seed):
    random = np.random.default_rng(seed)
    lattice = Lattice(4.5 * np.eye(3) + random.normal(0, 0.3, (3, 3)))
    return Structure(lattice, random.integers(1, 90, 6), random.random((6, 3)))


@pytest.mark.parametrize("structure", [*EXAMPLES, *map(random_structure, range(6))])
def test_as_crystal_nn(structure):
    numbers = np.array(structure.atomic_numbers)
    for site, atom in enumerate(structure):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = CrystalNN().get_nn_data(structure, site)
        faces = voronoi_faces(structure.lattice, structure.frac_coords, site)
        found = coordination(faces, numbers, site, atom.coords)
        assert found.weights.keys() == expected.cn_weights.keys() - {0}
        for number, weight in found.weights.items():
            assert weight == pytest.approx(expected.cn_weights[number], abs=1e-12)
            neighbors = np.array([each["site"].coords for each in expected.cn_nninfo[number]])
            np.testing.assert_array_equal(found.vectors[:number], neighbors - atom.coords)
        assert 0 <= sum(found.weights.values()) <= 1 + 1e-12


@pytest.mark.parametrize("area", [0.0, math.nan])
def test_a_face_without_area_is_degenerate(area):
    faces = Faces(np.eye(3), np.zeros(3, dtype=int), np.ones(3), np.array([1.0, area, 1.0]))
    with pytest.raises(DegenerateError):
        coordination(faces, np.array([6]), 0, np.zeros(3))


def shell(shares, numbers):
    return Coordination(np.zeros((len(shares), 3)), dict.fromkeys(numbers, 0.1), np.array(shares))


def test_when_rounding_errors_could_matter():
    assert shell([1.0, 0.9, 0.9, 0.0], [1, 3]).is_clear
    assert not shell([1.0, 0.7005], [1, 2]).is_clear
    assert not shell([1.0, 0.7005 + 1e-12], [1, 2]).is_clear
    assert shell([1.0, 0.7005 + 1e-6], [1, 2]).is_clear
    assert not shell([1.0] * 8, [8]).is_clear
    assert shell([1.0] * 6, [6]).is_clear
    assert shell(np.linspace(1, 0.9, 8), [8]).is_clear


def test_elements():
    assert electronegativity(8) == Element("O").X
    assert math.isnan(electronegativity(2))
    assert covalent_radius(6) == pytest.approx(0.76, abs=0.05)
    with pytest.raises(ValueError, match="Og"):
        covalent_radius(118)
