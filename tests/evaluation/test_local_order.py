"""Local order parameters against pymatgen's, one motif after the other."""

import numpy as np
import pytest
from pymatgen.core import Lattice, PeriodicSite
from pymatgen.core.local_env import CN_OPT_PARAMS, LocalStructOrderParams

from sunflow.evaluation.bond_angles import BondAngles
from sunflow.evaluation.local_order import MAX_BONDS, order_parameters
from sunflow.evaluation.vectors import length

BOX = Lattice.cubic(50)
KINDS = {n: [[*motif, None][:2] for motif in CN_OPT_PARAMS.get(n, {}).values()] for n in range(1, MAX_BONDS + 1)}
KINDS[1] = [["sgl_bd", None]]
for number in range(9, 13):
    KINDS[number] += [["q2", None], ["q4", None], ["q6", None]]
GRID = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])


def theirs(vectors):
    sites = [PeriodicSite("C", each, BOX, coords_are_cartesian=True) for each in np.vstack([np.zeros(3), vectors])]
    neighbors = list(range(1, len(sites)))
    found = [
        LocalStructOrderParams([kind], parameters=[parameters]).get_order_parameters(sites, 0, neighbors)[0]
        for kind, parameters in KINDS[len(vectors)]
    ]
    return [value or 0.0 for value in found]


def ours(vectors):
    vectors = np.array([PeriodicSite("C", each, BOX, coords_are_cartesian=True).coords for each in vectors])
    angles = BondAngles.between((vectors / length(vectors)[:, None])[None])
    return [float(order(angles)[0]) for order in order_parameters(len(vectors))]


@pytest.mark.parametrize("number", range(1, MAX_BONDS + 1))
def test_any_directions(number):
    random = np.random.default_rng(number)
    for _ in range(6):
        vectors = 2 * random.normal(size=(number, 3))
        np.testing.assert_allclose(ours(vectors), theirs(vectors), rtol=0, atol=1e-7)


@pytest.mark.parametrize("number", range(2, MAX_BONDS + 1))
def test_directions_with_angles_at_which_order_parameters_jump(number):
    """45°, 90°, 135° and 180° in every combination, also turned, when they are so up to rounding."""
    random = np.random.default_rng(number)
    for _ in range(12):
        vectors = 2.0 * random.permutation(GRID)[:number]
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        for these in (vectors, vectors @ turn):
            np.testing.assert_allclose(ours(these), theirs(these), rtol=0, atol=1e-6)


@pytest.mark.parametrize("number", [3, 5, 7])
def test_directions_in_a_plane(number):
    turns = 2 * np.pi * np.arange(number) / number
    vectors = 2 * np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    np.testing.assert_allclose(ours(vectors), theirs(vectors), rtol=0, atol=1e-7)


def test_motifs_recognise_themselves():
    axes = np.vstack([np.eye(3), -np.eye(3)])
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    names = list(CN_OPT_PARAMS[6]), list(CN_OPT_PARAMS[4])
    assert ours(axes)[names[0].index("octahedral")] == pytest.approx(1)
    assert ours(tetrahedron)[names[1].index("tetrahedral")] == pytest.approx(1)
    assert ours(GRID[np.abs(GRID).sum(axis=1) == 2])[0] == pytest.approx(1, abs=0.01)
    assert ours(axes[:1]) == [1.0]


def test_sixty_one_features():
    assert 24 + sum(len(order_parameters(number)) for number in range(1, 25)) == 61
