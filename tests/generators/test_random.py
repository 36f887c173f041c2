"""Random crystals: exactly the atoms asked for, in the primitive cell of the space group that was drawn."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import spglib
import torch
from pymatgen.core import Lattice, Structure

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.generators import random as module
from sunflow.generators.generator import Condition, build
from sunflow.generators.memory import UnmadeError
from sunflow.generators.random import (
    compatible_group,
    in_primitive_cell,
    placed,
    primitive_vectors,
    space_group,
)

ATOMS = np.array([8, 22, 38, 8, 8])


@pytest.mark.parametrize("centring, size", [("P", 1), ("A", 2), ("C", 2), ("I", 2), ("R", 3), ("F", 4)])
def test_the_primitive_cell_is_that_of_spglib(centring, size):
    """Of an arrangement with no more translations than its centring has."""
    rng = np.random.default_rng(0)
    numbers = [number for number in range(1, 231) if space_group(number).symbol[0] == centring]
    assert numbers
    for number in numbers:
        vectors = primitive_vectors(number)
        assert np.isclose(abs(np.linalg.det(vectors)), 1 / size)
        lattice = Lattice.from_parameters(5, 6, 7, 80, 95, 100)
        shifts = [
            np.array(op.translation_vector)
            for op in space_group(number)[0].ops
            if np.allclose(op.rotation_matrix, np.eye(3))
        ]
        coords = (rng.random((3, 1, 3)) + np.array(shifts)).reshape(-1, 3)
        crystal = Crystal("c", lattice.matrix, coords % 1, np.repeat([3, 8, 9], size))
        made = in_primitive_cell(crystal, vectors)
        assert Counter(made.atomic_numbers.tolist()) == {3: 1, 8: 1, 9: 1}
        found, _, atoms = spglib.find_primitive((crystal.lattice, crystal.frac_coords, crystal.atomic_numbers))
        assert np.isclose(abs(np.linalg.det(found)), made.volume) and len(atoms) == 3


def test_crystals_have_the_symmetry_of_the_group_that_was_drawn(monkeypatch):
    """Or of a supergroup, where the atoms fell into special places."""
    drawn = []
    monkeypatch.setattr(module, "compatible_group", lambda *args: drawn.append(compatible_group(*args)) or drawn[-1])
    for seed in range(40):
        crystal = None
        while crystal is None:
            crystal = placed(ATOMS, np.random.default_rng(seed))
            seed += 1000
        assert crystal.atomic_numbers.tolist() == ATOMS.tolist()
        operations = spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.atomic_numbers), 1e-3)
        order = len(space_group(drawn[-1].number)[0].ops) // drawn[-1].cellsize()
        assert len(operations.rotations) % order == 0
    assert len({group.number for group in drawn}) > 15


def test_atoms_keep_half_of_their_covalent_distance():
    from pyxtal.tolerance import Tol_matrix

    table = Tol_matrix(prototype="atomic")
    for seed in range(30):
        if (crystal := placed(ATOMS, np.random.default_rng(seed))) is None:
            continue
        structure = to_structure(crystal)
        for site, neighbors in zip(structure, structure.get_all_neighbors(2.0), strict=True):
            for neighbor in neighbors:
                assert neighbor.nn_distance > 0.99 * table.get_tol(site.specie.Z, neighbor.specie.Z)


def test_cells_are_reduced_like_those_of_the_train_split():
    for seed in range(20):
        if (crystal := placed(ATOMS, np.random.default_rng(seed))) is None:
            continue
        assert np.linalg.det(crystal.lattice) > 0
        lengths = Lattice(crystal.lattice).abc
        assert all(short < long + 1e-3 for short, long in pairwise(lengths))
        assert np.allclose(
            sorted(lengths), sorted(Lattice(crystal.lattice).get_niggli_reduced_lattice().abc), rtol=1e-3
        )


def test_compatible_groups_are_drawn_alike():
    rng = np.random.default_rng(0)
    amounts = np.array([1, 1, 3])
    allowed = {n for n in range(1, 231) if space_group(n).check_compatible(amounts * space_group(n).cellsize())[0]}
    drawn = Counter(compatible_group(amounts, rng).number for _ in range(40 * len(allowed)))
    assert set(drawn) == allowed and max(drawn.values()) < 90 and min(drawn.values()) > 10


def generator_of(atoms, task="generation"):
    places = np.random.default_rng(0)
    crystals = [Crystal("", 4 * np.eye(3), places.random((len(each), 3)), np.array(each)) for each in atoms]
    statistics = {"atomic_numbers": sorted({z for each in atoms for z in each})}
    generator = build("random", task, {}, statistics, None)
    generator.remember(CrystalBatch.from_crystals(crystals))
    return generator


def test_compositions_are_those_of_train_crystals_of_the_size():
    generator = generator_of([[8, 12], [26, 26], [8, 8, 12]])
    made = generator.sample(Condition(torch.tensor([2] * 30 + [3] * 5)), range(35)).to_crystals([""] * 35)
    seen = Counter(tuple(sorted(crystal.atomic_numbers.tolist())) for crystal in made)
    assert set(seen) == {(8, 12), (26, 26), (8, 8, 12)} and seen[(8, 8, 12)] == 5 and 6 < seen[(8, 12)] < 24


def test_a_composition_that_is_given_keeps_its_order():
    atoms = torch.tensor([12, 8, 12, 26, 8, 8, 8, 12])
    generator = generator_of([[8, 12, 26]], "structure_prediction")
    made = generator.sample(Condition(torch.tensor([8]), atoms), [4])
    assert made.atomic_numbers.tolist() == atoms.tolist()


def test_what_cannot_be_made_says_why(monkeypatch):
    generator = generator_of([[8, 12], [26, 26], [97, 97, 97]])
    rng = np.random.default_rng(0)
    with pytest.raises(UnmadeError, match="no train crystal of 2 atoms is made of the elements asked for"):
        generator.make(2, None, [12], rng)
    with pytest.raises(UnmadeError, match="PyXtal knows no radius of Bk"):
        generator.make(3, None, None, rng)
    monkeypatch.setattr(module, "placed", lambda atoms, random: None)
    with pytest.raises(UnmadeError, match="PyXtal found no places for the atoms in any of 20 space groups"):
        generator.make(2, None, None, rng)


def test_neither_pyxtal_s_tables_nor_its_streams_remember_what_was_made_before():
    first = placed(ATOMS, np.random.default_rng(5))
    for seed in range(10):
        placed(ATOMS, np.random.default_rng(seed))
    again = placed(ATOMS, np.random.default_rng(5))
    assert Structure(Lattice(first.lattice), ATOMS, first.frac_coords) == Structure(
        Lattice(again.lattice), ATOMS, again.frac_coords
    )
