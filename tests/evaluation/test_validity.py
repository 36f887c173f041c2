"""Distances and volumes of crystals as they were generated."""

import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.validity import defect, geometry_valid, images_apart


def two_atoms(distance, length=4.0):
    return Crystal("a", length * np.eye(3), np.array([[0, 0, 0], [distance / length, 0, 0]]), np.array([11, 17]))


@pytest.mark.parametrize(("distance", "valid"), [(0.49, False), (0.51, True), (3.6, False), (3.4, True)])
def test_shortest_distance_over_periodic_images(distance, valid):
    assert geometry_valid(two_atoms(distance)) is valid


@pytest.mark.parametrize(
    "crystal",
    [
        Crystal.failure("a", "nothing"),
        Crystal("a", np.diag([1, 1, 0.05]), np.zeros((1, 3)), np.array([1])),
        Crystal("a", np.full((3, 3), np.nan), np.zeros((1, 3)), np.array([1])),
        Crystal("a", np.eye(3), np.array([[np.inf, 0, 0]]), np.array([1])),
        Crystal("a", 4 * np.eye(3), np.zeros((1, 3)), np.array([119])),
        Crystal("a", 4 * np.eye(3), np.zeros((1, 3)), np.array([0])),
    ],
)
def test_what_is_no_crystal_is_not_valid(crystal):
    assert defect(crystal)
    assert not geometry_valid(crystal)
    assert not images_apart(crystal)


def test_an_atom_is_not_compared_with_its_own_images():
    assert geometry_valid(Crystal("a", np.diag([0.4, 4, 4]), np.zeros((1, 3)), np.array([1])))


@pytest.mark.parametrize(("length", "apart"), [(0.49, False), (0.51, True)])
def test_images_are_found_in_every_setting_of_the_lattice(length, apart):
    """The short translation is hidden in long vectors of equal volume."""
    lattice = np.diag([length, 4, 5])
    for setting in (np.eye(3), [[1, 3, 0], [0, 1, 0], [-2, 5, 1]], [[7, 3, 0], [2, 1, 0], [0, 0, 1]]):
        crystal = Crystal("a", np.array(setting) @ lattice, np.zeros((1, 3)), np.array([1]))
        assert images_apart(crystal) is apart
    assert defect(crystal) == ""
