"""How far atoms go when a crystal is relaxed, against displacements that are known."""

from dataclasses import replace

import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.evaluation.relaxation_distance import relaxation_distance


def crystal(seed=0, num_atoms=6):
    random = np.random.default_rng(seed)
    lattice = np.diag([5.0, 6.0, 7.0]) + 0.3 * random.normal(size=(3, 3))
    numbers = np.array([11, 17, 8, 22, 26, 13][:num_atoms])
    return Crystal("a", lattice, random.random((num_atoms, 3)), numbers)


def test_displacements_are_in_angstroms_and_a_common_shift_does_not_count():
    one = crystal()
    moves = 0.2 * np.random.default_rng(1).normal(size=(one.num_atoms, 3))
    other = replace(one, frac_coords=np.mod(one.frac_coords + (moves + 1.3) @ np.linalg.inv(one.lattice), 1.0))
    expected = np.sqrt((np.square(moves - moves.mean(axis=0))).sum(axis=1).mean())
    assert relaxation_distance(one, other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_strain_does_not_count_but_scales_the_displacements(factor):
    one = crystal()
    other = replace(one, lattice=factor * one.lattice)
    assert relaxation_distance(one, other) == pytest.approx(0.0, abs=1e-6)
    moves = np.zeros((6, 3))
    moves[0, 0] = 0.05
    moved = replace(other, frac_coords=np.mod(one.frac_coords + moves, 1.0))
    mean = (1 + factor) / 2 * one.lattice
    expected = np.sqrt((np.square((moves - moves.mean(axis=0)) @ mean)).sum(axis=1).mean())
    assert relaxation_distance(one, moved) == pytest.approx(expected, rel=1e-6)


def test_a_crystal_that_becomes_more_symmetric_is_compared_in_a_supercell():
    """The generated cell holds two formula units that differ; relaxed they are the same."""
    one = to_structure(crystal())
    one.make_supercell([2, 1, 1])
    relaxed = Crystal("a", one.lattice.matrix, one.frac_coords % 1.0, np.array(one.atomic_numbers))
    moves = np.zeros((12, 3))
    moves[0] = [0.6, 0.0, 0.0]
    generated = replace(relaxed, frac_coords=np.mod(relaxed.frac_coords + moves @ np.linalg.inv(relaxed.lattice), 1.0))
    expected = np.sqrt((np.square(moves - moves.mean(axis=0))).sum(axis=1).mean())
    assert relaxation_distance(generated, relaxed) == pytest.approx(expected, rel=1e-5)


def test_without_an_alignment_there_is_no_distance():
    one = crystal(num_atoms=2)
    assert relaxation_distance(one, replace(one, lattice=np.diag([2.0, 4.0, 30.0]))) is None
    assert relaxation_distance(one, replace(one, atomic_numbers=np.array([11, 9]))) is None
