from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation import neighbors
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.neighbors import NeighborList, pairs_within

CPU = torch.device("cpu")
CUTOFF, SKIN = 4.0, 0.5
SKEWED = [[3.9, 0, 0], [12.0, 4.1, 0], [8.0, -4.0, 4.2]]
ROTATED = [[0.3, 2.9, 0.2], [-2.5, 0.4, 1.9], [1.1, -1.2, 3.3]]

WALLS = np.array([[0, 0, 0], [1, 0, 0.5], [-1, 1, 0.25]])


def crystal(lattice, num_atoms, spread=1.0, seed=0):
    """Atoms scattered over `spread` cells on both sides of the origin."""
    coords = spread * (2 * np.random.default_rng(seed).random((num_atoms, 3)) - 1)
    return Crystal("x", np.array(lattice, dtype=float), coords, np.full(num_atoms, 14))


AWKWARD = {
    "one atom": crystal(3.1 * np.eye(3), 1),
    "thin": crystal(np.diag([0.7, 5.0, 30.0]), 3),
    "thin, across the axes": crystal([[9.0, 0.1, 0], [9.0, 1.0, 0], [4.0, 2.0, 9.0]], 4),
    "skewed": crystal(SKEWED, 3),
    "left-handed": crystal(np.array(ROTATED)[[1, 0, 2]], 3),
    "rotated": crystal(ROTATED, 2),
    "atoms far outside": crystal(SKEWED, 4, spread=5.0),
    "atoms on the walls": Crystal("x", 3 * np.eye(3), WALLS, np.full(3, 14)),
    "two atoms in one place": Crystal("x", 3 * np.eye(3), np.full((2, 3), 0.3), np.full(2, 14)),
    "no neighbours": crystal(20 * np.eye(3), 1),
}


def all_of(geometry):
    return torch.arange(len(geometry))


def both_ways(pairs):
    """(first, second, image) from both ends of every pair."""
    images = pairs.images.long().tolist()
    forward = list(zip(pairs.first.tolist(), pairs.second.tolist(), map(tuple, images), strict=True))
    return forward + [(second, first, tuple(-n for n in image)) for first, second, image in forward]


def within(cutoff, pairs, geometry):
    return set(both_ways(pairs.where(pairs.vectors(geometry).norm(dim=1) <= cutoff)))


def assert_none_is_missed(pairs, geometry):
    assert len(both_ways(pairs)) == len(set(both_ways(pairs)))
    assert within(CUTOFF, pairs, geometry) == set(both_ways(pairs_within(CUTOFF, geometry, all_of(geometry))))
    assert torch.equal(pairs.crystal, geometry.crystal_of_atom[pairs.first])
    assert torch.equal(pairs.crystal, geometry.crystal_of_atom[pairs.second])


@pytest.mark.parametrize("name", AWKWARD)
def test_pairs_are_those_of_ase(name):
    given = AWKWARD[name]
    geometry = Geometry.of([given], CPU)
    atoms = Atoms(given.atomic_numbers, cell=given.lattice, positions=geometry.positions.numpy(), pbc=True)
    first, second, images, vectors = neighbor_list("ijSD", atoms, CUTOFF)
    pairs = pairs_within(CUTOFF, geometry, all_of(geometry))
    found = both_ways(pairs)
    assert len(set(found)) == len(found)
    assert set(found) == set(zip(first.tolist(), second.tolist(), map(tuple, images.tolist()), strict=True))
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(np.sort(pairs.vectors(geometry).norm(dim=1).repeat(2)), np.sort(lengths), atol=1e-9)


@pytest.mark.parametrize("name", AWKWARD)
def test_distances_are_those_of_pymatgen(name):
    given = AWKWARD[name]
    structure = Structure(Lattice(given.lattice), given.atomic_numbers, given.frac_coords)
    lengths = structure.get_neighbor_list(CUTOFF, exclude_self=True)[3]
    geometry = Geometry.of([given], CPU)
    ours = pairs_within(CUTOFF, geometry, all_of(geometry)).vectors(geometry).norm(dim=1)
    np.testing.assert_allclose(np.sort(ours.repeat(2)), np.sort(lengths), atol=1e-8)


def test_crystals_of_a_batch_have_the_pairs_that_they_have_alone():
    geometry = Geometry.of(list(AWKWARD.values()), CPU)
    together = pairs_within(CUTOFF, geometry, all_of(geometry))
    starts = (geometry.num_atoms.cumsum(0) - geometry.num_atoms).tolist()
    for index, (given, start) in enumerate(zip(AWKWARD.values(), starts, strict=True)):
        alone = Geometry.of([given], CPU)
        expected = both_ways(pairs_within(CUTOFF, alone, all_of(alone)))
        found = both_ways(together.where(together.crystal == index))
        assert sorted((first - start, second - start, image) for first, second, image in found) == sorted(expected)


def test_only_the_chosen_crystals_are_searched():
    geometry = Geometry.of(list(AWKWARD.values()), CPU)
    everything = pairs_within(CUTOFF, geometry, all_of(geometry))
    some = pairs_within(CUTOFF, geometry, torch.tensor([1, 5]))
    chosen = (everything.crystal == 1) | (everything.crystal == 5)
    assert sorted(both_ways(some)) == sorted(both_ways(everything.where(chosen)))


def disturbed(geometry, strain, motion, random):
    """Cells and atoms strained at random, and atoms moved besides, both of the given order."""
    deformation = torch.tensor(np.eye(3) + strain * random.normal(size=(len(geometry), 3, 3)))
    positions = torch.einsum("ai,aij->aj", geometry.positions, deformation[geometry.crystal_of_atom])
    moves = motion * torch.tensor(random.normal(size=positions.shape))
    return replace(geometry, lattices=geometry.lattices @ deformation, positions=positions + moves)


def walkers(count, seed):
    return [crystal(ROTATED, 1 + n % 3, seed=10 * seed + n) for n in range(count)]


@pytest.mark.parametrize(("strain", "motion"), [(0.003, 0.02), (0.02, 0.0), (0.0, 0.1), (0.05, 0.3)])
def test_the_remembered_list_misses_no_pair_while_crystals_move(strain, motion):
    random = np.random.default_rng(1)
    geometry, remembered = Geometry.of(walkers(4, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    for _ in range(30):
        assert_none_is_missed(remembered.pairs(geometry), geometry)
        geometry = disturbed(geometry, strain, motion, random)


def test_the_remembered_list_misses_no_pair_while_crystals_come_and_go():
    random = np.random.default_rng(2)
    geometry, remembered = Geometry.of(walkers(4, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    for seed in range(1, 25):
        assert_none_is_missed(remembered.pairs(geometry), geometry)
        geometry = disturbed(geometry, 0.003, 0.03, random)
        geometry = geometry.where(torch.tensor(random.random(len(geometry)) < 0.7))
        geometry = geometry.joined(Geometry.of(walkers(int(random.integers(0, 4)), seed), CPU))


def test_the_remembered_list_follows_when_the_order_changes_or_all_leave():
    random = np.random.default_rng(3)
    geometry, remembered = Geometry.of(walkers(3, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    chosen = [geometry.where(torch.arange(3) == n) for n in range(3)]
    for now in (geometry, chosen[2].joined(chosen[0]).joined(chosen[1]), Geometry.of([], CPU), geometry):
        assert_none_is_missed(remembered.pairs(now), now)
        moved = disturbed(now, 0.003, 0.03, random)
        assert_none_is_missed(remembered.pairs(moved), moved)


def two_atoms(distance):
    coords = np.array([[0.2, 0.2, 0.2], [0.2 + distance / 20, 0.2, 0.2]])
    return Geometry.of([Crystal("x", 20 * np.eye(3), coords, np.array([14, 14]))], CPU)


def test_two_atoms_that_come_closer_meet():
    apart, remembered = two_atoms(CUTOFF + SKIN + 0.001), NeighborList(CUTOFF, SKIN)
    assert len(remembered.pairs(apart).first) == 0
    steps = torch.tensor([[0.251, 0, 0], [-0.251, 0, 0]], dtype=torch.float64)
    near = replace(apart, positions=apart.positions + steps)
    assert within(CUTOFF, remembered.pairs(near), near) == {(0, 1, (0, 0, 0)), (1, 0, (0, 0, 0))}


def test_two_atoms_meet_when_the_cell_shrinks():
    apart, remembered = two_atoms(CUTOFF + SKIN + 0.001), NeighborList(CUTOFF, SKIN)
    assert len(remembered.pairs(apart).first) == 0
    squeeze = torch.diag(torch.tensor([(CUTOFF - 0.001) / (CUTOFF + SKIN + 0.001), 1.0, 1.0], dtype=torch.float64))
    near = replace(apart, lattices=apart.lattices @ squeeze, positions=apart.positions @ squeeze)
    assert len(within(CUTOFF, remembered.pairs(near), near)) == 2


@pytest.fixture
def searches(monkeypatch):
    """The crystals of every search."""
    found = []

    def recorded(cutoff, geometry, crystals):
        found.append(crystals.tolist())
        return pairs_within(cutoff, geometry, crystals)

    monkeypatch.setattr(neighbors, "pairs_within", recorded)
    return found


def test_nothing_is_searched_anew_for_tiny_motions(searches):
    random = np.random.default_rng(4)
    start, remembered = Geometry.of(walkers(3, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    first = remembered.pairs(start)
    for _ in range(10):
        assert remembered.pairs(disturbed(start, 0.005, 0.02, random)) is first
    assert searches == [[0, 1, 2]]


def test_only_what_has_moved_far_is_searched_anew(searches):
    geometry, remembered = Geometry.of(walkers(3, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    remembered.pairs(geometry)
    moved = replace(geometry, positions=geometry.positions.clone())
    moved.positions[1] += 0.3
    remembered.pairs(moved)
    strained = replace(moved, lattices=moved.lattices.clone(), positions=moved.positions.clone())
    strained.lattices[2] *= 1.3
    strained.positions[3:] *= 1.3
    for _ in range(2):
        assert_none_is_missed(remembered.pairs(strained), strained)
    assert [each for each in searches if len(each) < 3] == [[1], [2]]


def test_many_small_motions_add_up(searches):
    geometry, remembered = two_atoms(CUTOFF + SKIN + 0.001), NeighborList(CUTOFF, SKIN)
    step = torch.tensor([[0.03, 0, 0], [-0.03, 0, 0]], dtype=torch.float64)
    for _ in range(10):
        pairs = remembered.pairs(geometry)
        geometry = replace(geometry, positions=geometry.positions + step)
    assert (len(searches), len(pairs.first)) == (2, 1)


def test_only_newcomers_are_searched_when_others_leave(searches):
    geometry, remembered = Geometry.of(walkers(3, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    remembered.pairs(geometry)
    left = geometry.where(torch.tensor([False, True, True]))
    remembered.pairs(left)
    remembered.pairs(left.joined(Geometry.of(walkers(2, seed=1), CPU)))
    assert searches == [[0, 1, 2], [2, 3]]


def test_positions_that_are_no_numbers_harm_no_other_crystal():
    geometry, remembered = Geometry.of(walkers(3, seed=0), CPU), NeighborList(CUTOFF, SKIN)
    before = remembered.pairs(geometry)
    broken = replace(geometry, positions=geometry.positions.clone())
    broken.positions[1] = torch.nan
    after = remembered.pairs(broken)
    for index in (0, 2):
        assert both_ways(after.where(after.crystal == index)) == both_ways(before.where(before.crystal == index))
