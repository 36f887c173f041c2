import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.push_apart import DISTANCE, pushed_apart
from sunflow.relaxation.screening import nearest_distance

CUBE = 4.0 * np.eye(3)
SKEWED = np.array([[4.0, 0, 0], [6.0, 4.1, 0], [8.0, -4.0, 4.2]])


def crystal(lattice, frac_coords):
    frac_coords = np.array(frac_coords, dtype=float).reshape(-1, 3)
    return Crystal("x", np.array(lattice, dtype=float), frac_coords, np.arange(1, 1 + len(frac_coords)))


def distance(of):
    return nearest_distance(of.frac_coords, of.lattice, 5.0)


def crowd(lattice, num_atoms, spread, seed=0):
    return crystal(lattice, 0.3 + spread * np.random.default_rng(seed).normal(size=(num_atoms, 3)))


@pytest.mark.parametrize(
    "crowded",
    [
        crystal(CUBE, [[0, 0, 0], [0.1, 0, 0]]),
        crystal(CUBE, [[0.02, 0, 0], [0.98, 0, 0]]),
        crystal(CUBE, [[0.4, 0.4, 0.4]] * 2),
        crystal(CUBE, [[0.4, 0.4, 0.4]] * 8),
        crystal(CUBE, [[-3.0, 2.0, 7.0], [0, 0, 1e-9]]),
        crowd(CUBE, 12, 0.05),
        crowd(SKEWED, 12, 0.02, seed=1),
        crowd(SKEWED[::-1], 6, 0.01, seed=2),
    ],
    ids=["two", "across a wall", "one place", "eight in one place", "outside", "crowd", "skewed", "left-handed"],
)
def test_atoms_are_apart_afterwards(crowded):
    assert distance(crowded) < DISTANCE
    apart = pushed_apart(crowded)
    assert DISTANCE <= distance(apart)
    assert ((apart.frac_coords >= 0) & (apart.frac_coords < 1)).all()
    np.testing.assert_array_equal(apart.lattice, crowded.lattice)
    np.testing.assert_array_equal(apart.atomic_numbers, crowded.atomic_numbers)
    assert (apart.crystal_id, apart.status) == ("x", "ok")


def test_two_atoms_share_the_way():
    apart = pushed_apart(crystal(CUBE, [[0.5, 0.5, 0.5], [0.6, 0.5, 0.5]]))
    middle, way = apart.frac_coords.mean(axis=0), np.diff(apart.frac_coords, axis=0)[0]
    np.testing.assert_allclose(middle, [0.55, 0.5, 0.5])
    np.testing.assert_allclose(4.0 * way, [1.01 * DISTANCE, 0, 0], atol=1e-9)


def test_who_is_in_nobodys_way_stays():
    apart = pushed_apart(crystal(CUBE, [[0.5, 0.5, 0.5], [0.1, 0, 0.1], [0.52, 0.5, 0.5]]))
    np.testing.assert_array_equal(apart.frac_coords[1], [0.1, 0, 0.1])


@pytest.mark.parametrize("edges", [(0.6, 3.0, 3.0), (0.8, 0.8, 2.0)])
def test_a_cell_that_overlaps_its_own_images_grows(edges):
    apart = pushed_apart(crystal(np.diag(edges), [[0.3, 0.3, 0.3]]))
    assert DISTANCE <= distance(apart) < 1.02 * DISTANCE
    growth = np.diag(apart.lattice) / edges
    np.testing.assert_allclose(growth, growth[0])


def test_what_cannot_be_had_is_left_as_it_was():
    hopeless = crystal(1.5 * np.eye(3), np.random.default_rng(3).random((12, 3)))
    assert pushed_apart(hopeless) is hopeless


@pytest.mark.parametrize(
    "sane",
    [crystal(CUBE, [[0, 0, 0], [0.3, 0, 0]]), crystal(SKEWED, [[0.1, 0.2, 0.3]]), crystal(1.01 * np.eye(3), [[0] * 3])],
)
def test_sane_crystals_are_left_alone(sane):
    after = pushed_apart(sane)
    np.testing.assert_array_equal(after.frac_coords, sane.frac_coords)
    np.testing.assert_array_equal(after.lattice, sane.lattice)


@pytest.mark.parametrize(
    "broken",
    [
        crystal(CUBE, [[0, np.nan, 0], [0, 0, 0]]),
        crystal(np.diag([np.inf, 3, 3]), [[0, 0, 0]]),
        crystal(np.full((3, 3), np.nan), [[0, 0, 0]]),
        crystal(np.diag([0.0, 3, 3]), [[0, 0, 0]]),
        crystal(CUBE, []),
        Crystal.failure("x", "not generated"),
    ],
    ids=["position", "infinite cell", "cell", "flat cell", "no atoms", "failed"],
)
def test_what_is_no_crystal_is_returned_unchanged(broken):
    assert pushed_apart(broken) is broken
