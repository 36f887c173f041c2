import numpy as np
import pytest
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.geometry import Geometry

CPU = torch.device("cpu")


def crystal(num_atoms, name="x", seed=0):
    random = np.random.default_rng(seed)
    lattice = 4 * np.eye(3) + random.normal(size=(3, 3))
    return Crystal(name, lattice, random.random((num_atoms, 3)), random.integers(1, 95, num_atoms))


@pytest.fixture
def crystals():
    return [crystal(num_atoms, str(num_atoms), seed=num_atoms) for num_atoms in (3, 1, 4, 2)]


def assert_same(one, other):
    for name in ("lattices", "positions", "atomic_numbers", "num_atoms", "crystal_of_atom"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)


def test_crystals_lie_one_after_another(crystals):
    geometry = Geometry.of(crystals, CPU)
    assert len(geometry) == 4
    assert geometry.crystal_of_atom.tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 3, 3]
    assert geometry.atomic_numbers[4:8].tolist() == crystals[2].atomic_numbers.tolist()
    np.testing.assert_allclose(geometry.positions[4:8], crystals[2].frac_coords @ crystals[2].lattice)
    np.testing.assert_array_equal(geometry.lattices[2], crystals[2].lattice)


def test_no_crystals_make_an_empty_geometry():
    geometry = Geometry.of([], CPU)
    assert (len(geometry), geometry.positions.shape, geometry.lattices.shape) == (0, (0, 3), (0, 3, 3))
    assert len(geometry.volumes) == len(geometry.crystal_of_atom) == 0


def test_the_same_crystal_twice_has_two_keys(crystals):
    one, other = Geometry.of(crystals, CPU), Geometry.of(crystals, CPU)
    assert len({*one.keys, *other.keys}) == 8


def test_left_handed_cells_have_a_volume():
    mirrored = Crystal("x", np.diag([2.0, 3.0, -4.0]), np.zeros((1, 3)), np.array([14]))
    assert Geometry.of([mirrored], CPU).volumes.item() == pytest.approx(24.0)


def test_a_crystal_comes_back_as_it_went(crystals):
    geometry = Geometry.of(crystals, CPU)
    for index, given in enumerate(crystals):
        given = given.with_properties(energy=-1.0)
        back = geometry.crystal(index, given)
        assert (back.crystal_id, back.properties) == (given.crystal_id, given.properties)
        np.testing.assert_array_equal(back.lattice, given.lattice)
        np.testing.assert_allclose(back.frac_coords, given.frac_coords, atol=1e-12)


def test_atoms_outside_of_the_cell_come_back_into_it():
    coords = np.array([[-0.25, 1.5, 0.0], [-1e-18, 7.0, -3.0]])
    outside = Crystal("x", 4 * np.eye(3), coords, np.array([14, 14]))
    back = Geometry.of([outside], CPU).crystal(0, outside)
    np.testing.assert_allclose(back.frac_coords, [[0.75, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert (back.frac_coords < 1).all()


def test_chosen_crystals_and_joined_ones_are_those_made_of_them(crystals):
    geometry = Geometry.of(crystals, CPU)
    chosen = geometry.where(torch.tensor([True, False, True, False]))
    assert_same(chosen, Geometry.of([crystals[0], crystals[2]], CPU))
    assert chosen.keys == (geometry.keys[0], geometry.keys[2])
    others = geometry.where(torch.tensor([False, True, False, True]))
    assert_same(chosen.joined(others), Geometry.of([crystals[n] for n in (0, 2, 1, 3)], CPU))
    assert chosen.joined(others).keys == chosen.keys + others.keys


def test_all_may_leave_and_others_come(crystals):
    none = Geometry.of(crystals, CPU).where(torch.zeros(4, dtype=torch.bool))
    assert_same(none, Geometry.of([], CPU))
    assert_same(none.joined(Geometry.of(crystals, CPU)), Geometry.of(crystals, CPU))
