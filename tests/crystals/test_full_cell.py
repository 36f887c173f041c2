"""Primitive cells from asymmetric units: prototypes, symmetry found again, failures."""

import numpy as np
import pytest
import spglib
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from space_group_tables import lattice_for, tables

from sunflow.crystals.full_cell import full_cell
from sunflow.crystals.lattice import canonical_orientation
from sunflow.crystals.space_groups import LETTERS
from sunflow.crystals.structures import to_structure

ODD, PRIME = np.arange(1, 48, 2), 97
"""Different odd numbers, over the prime, are coordinates that are on no symmetry element."""
PROTOTYPES = {
    "rock salt": (225, "Fm-3m", (5.64, 5.64, 5.64, 90, 90, 90), [("Na", "a", (0, 0, 0)), ("Cl", "b", (0.5, 0.5, 0.5))]),
    "perovskite": (
        221,
        "Pm-3m",
        (3.9, 3.9, 3.9, 90, 90, 90),
        [("Ti", "a", (0, 0, 0)), ("Sr", "b", (0.5, 0.5, 0.5)), ("O", "d", (0, 0, 0.5))],
    ),
    "quartz": (
        154,
        "P3_221",
        (4.91, 4.91, 5.4, 90, 90, 120),
        [("Si", "a", (0.47, 0, 2 / 3)), ("O", "c", (0.413, 0.266, 0.786))],
    ),
    "corundum": (
        167,
        "R-3c",
        (4.76, 4.76, 12.99, 90, 90, 120),
        [("Al", "c", (0, 0, 0.352)), ("O", "e", (0.306, 0, 0.25))],
    ),
    "rutile": (
        136,
        "P4_2/mnm",
        (4.59, 4.59, 2.96, 90, 90, 90),
        [("Ti", "a", (0, 0, 0)), ("O", "f", (0.305, 0.305, 0))],
    ),
    "forsterite": (
        62,
        "Pnma",
        (10.2, 5.98, 4.76, 90, 90, 90),
        [
            ("Mg", "a", (0, 0, 0)),
            ("Mg", "c", (0.277, 0.25, 0.991)),
            ("Si", "c", (0.094, 0.25, 0.426)),
            ("O", "d", (0.163, 0.033, 0.277)),
        ],
    ),
    "monoclinic": (
        15,
        "C2/c",
        (6.2, 7.1, 5.3, 90, 107, 90),
        [("Cu", "e", (0, 0.15, 0.25)), ("O", "f", (0.21, 0.33, 0.4))],
    ),
    "triclinic": (2, "P-1", (4.1, 5.2, 6.3, 80, 95, 103), [("Fe", "a", (0, 0, 0)), ("S", "i", (0.2, 0.3, 0.45))]),
}


def built(numbers, lattice, num_atoms, letters, frac_coords, atomic_numbers=None, max_atoms=1000):
    wyckoff = torch.tensor([LETTERS.index(letter) for letter in letters])
    atoms = torch.arange(1, len(wyckoff) + 1) if atomic_numbers is None else torch.tensor(atomic_numbers)
    coordinates = torch.as_tensor(frac_coords, dtype=torch.float64)
    return full_cell(
        tables(), torch.tensor(numbers), lattice, coordinates, wyckoff, atoms, torch.tensor(num_atoms), max_atoms
    )


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes(name):
    """Against pymatgen's own operations, in float32 as a network gives them."""
    number, symbol, parameters, sites = PROTOTYPES[name]
    elements, letters, points = zip(*sites, strict=True)
    cell = Lattice.from_parameters(*parameters)
    expected = Structure.from_spacegroup(symbol, cell, elements, points)
    numbers = [expected.composition.elements[expected.composition.elements.index(e)].Z for e in map(_element, elements)]
    lattice = torch.tensor(cell.matrix.copy(), dtype=torch.float32)[None]
    (crystal,) = built([number], lattice, [len(sites)], letters, points, numbers).to_crystals([name])
    assert crystal.num_atoms == len(expected.get_primitive_structure())
    matcher = StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.01)
    assert matcher.fit(expected, to_structure(crystal))
    found = spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.atomic_numbers), symprec=1e-3)
    assert found.number == number


def _element(symbol):
    return Structure(np.eye(3), [symbol], [[0, 0, 0]])[0].specie


def random_crystals(numbers, num_orbits=3, seed=1):
    """Crystals with this many orbits in general positions, each of its own element."""
    random = np.random.default_rng(seed)
    lattice = torch.stack([lattice_for(number, random, 8, 12) for number in numbers])
    groups = torch.tensor(numbers).repeat_interleave(num_orbits)
    wyckoff = tables().num_positions(groups) - 1
    points = torch.tensor(np.array([random.permutation(ODD)[:3] for _ in groups]) / PRIME)
    atoms = torch.arange(num_orbits).repeat(len(numbers)) + 11
    sizes = torch.full((len(numbers),), num_orbits)
    return full_cell(tables(), torch.tensor(numbers), lattice, points, wyckoff, atoms, sizes, 1000), lattice


def test_cells_are_primitive_right_handed_and_in_the_canonical_orientation():
    numbers = [1, 5, 12, 22, 43, 74, 79, 88, 98, 122, 146, 155, 161, 194, 199, 203, 214, 220, 227]
    crystals, conventional = random_crystals(numbers)
    assert not crystals.failures
    assert torch.allclose(crystals.lattice, canonical_orientation(crystals.lattice))
    volumes = torch.linalg.det(crystals.lattice)
    assert torch.allclose(volumes, torch.linalg.det(tables().primitive[numbers]) * torch.linalg.det(conventional))
    assert ((crystals.frac_coords >= 0) & (crystals.frac_coords < 1)).all()
    for number, crystal in zip(numbers, crystals.to_crystals([str(number) for number in numbers]), strict=True):
        cell = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
        found = spglib.get_symmetry_dataset(cell, symprec=1e-4)
        assert found.number == number
        assert len(spglib.find_primitive(cell, symprec=1e-4)[2]) == crystal.num_atoms


def test_single_precision_stays_inside_the_cell():
    points = torch.full((1, 3), 1 - 1e-9, dtype=torch.float64).float() - 1e-8
    lattice = torch.eye(3)[None] * 5
    crystals = built([1], lattice, [1], "a", points)
    assert crystals.lattice.dtype == torch.float32
    one = full_cell(
        tables(), torch.tensor([1]), lattice, points, torch.tensor([0]), torch.tensor([3]), torch.tensor([1]), 9
    )
    assert one.frac_coords.dtype == torch.float32
    assert ((one.frac_coords >= 0) & (one.frac_coords < 1)).all()


CUBE = 4 * torch.eye(3)
HOSTILE = {
    "the lattice is not finite": (1, CUBE * torch.nan, "a", [[0.1, 0.2, 0.3]]),
    "a cell length is below 1 Å": (1, torch.diag(torch.tensor([4.0, 0.9, 4.0])), "a", [[0.1, 0.2, 0.3]]),
    "a cell length is above 100 Å": (1, torch.diag(torch.tensor([4.0, 101.0, 4.0])), "a", [[0.1, 0.2, 0.3]]),
    "the cell's angles are impossible": (
        1,
        torch.tensor([[4.0, 0, 0], [0, 4, 0], [4, 4, 0.01]]),
        "a",
        [[0.1, 0.2, 0.3]],
    ),
    "a coordinate is not finite": (1, CUBE, "aa", [[0.1, 0.2, 0.3], [torch.inf, 0, 0]]),
    "the primitive cell would hold more than 60 atoms": (225, CUBE, "ll", [[0.1, 0.2, 0.3], [0.07, 0.23, 0.4]]),
    "points of one orbit coincide": (225, CUBE, "l", [[0.0, 0.2, 0.3]]),
    "two atoms are on one point": (225, CUBE, "aba", [[0.0, 0, 0], [0.5, 0.5, 0.5], [0.0, 0, 0]]),
}


def test_what_cannot_be_built_is_a_failure_and_leaves_others_alone():
    rock_salt = (225, CUBE, "ab", [[0.0, 0, 0], [0.5, 0.5, 0.5]])
    several = [each for hostile in HOSTILE.values() for each in (hostile, rock_salt)]
    numbers, lattices, letters, points = zip(*several, strict=True)
    coordinates = [point for each in points for point in each]
    crystals = built(
        numbers, torch.stack(lattices), [len(each) for each in points], "".join(letters), coordinates, max_atoms=60
    )
    assert crystals.failures == {2 * place: reason for place, reason in enumerate(HOSTILE)}
    made = crystals.to_crystals([str(place) for place in range(len(several))])
    assert [crystal.num_atoms for crystal in made] == [0, 2] * len(HOSTILE)
    assert [crystal.reason for crystal in made[::2]] == list(HOSTILE)
    assert crystals.lattice.isfinite().all()
    for crystal in made[1::2]:
        assert np.allclose(crystal.frac_coords, made[1].frac_coords)
        assert crystal.volume == pytest.approx(16)


def test_left_handed_vectors_are_impossible():
    crystals = built([1], -CUBE[None], [1], "a", [[0.1, 0.2, 0.3]])
    assert crystals.failures == {0: "the cell's angles are impossible"}


def test_any_point_of_an_orbit_stands_for_it():
    crystals, lattice = random_crystals([167])
    conventional = crystals.frac_coords @ tables().primitive[167]
    others = conventional[[3, 14, 30]]
    letters = LETTERS[int(tables().num_positions(torch.tensor(167))) - 1] * 3
    again = built([167], lattice, [3], letters, others, [11, 12, 13])
    moves = crystals.frac_coords[:, None] - again.frac_coords
    same = (moves - moves.round()).norm(dim=-1) < 1e-9
    assert (same.sum(0) == 1).all() and (same.sum(1) == 1).all()
    assert torch.equal(crystals.atomic_numbers, again.atomic_numbers[same.long().argmax(1)])
