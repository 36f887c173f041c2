import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.stress import full_3x3_to_voigt_6_stress
from fake_potential import ARGON, FakePotential

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.coordinates import Coordinates
from sunflow.relaxation.geometry import Geometry

CPU = torch.device("cpu")
LATTICE = np.array([[4.1, 0.3, -0.2], [-0.5, 4.4, 0.6], [0.8, 0.1, 4.9]])


def argon(num_atoms, stretch, disorder):
    """Atoms near the sites of a body-centred lattice."""
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])[:num_atoms]
    moves = disorder * np.random.default_rng(0).normal(size=sites.shape)
    return Crystal("x", stretch * LATTICE, sites + moves, np.full(num_atoms, ARGON))


CRYSTALS = [argon(2, 1.0, 0.02), argon(1, 0.8, 0.0), argon(2, 1.0, 0.1)]
CLOSE_PAIR = np.array([[0, 0, 0], [0.3, 0.1, 0.2], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(scope="module")
def evaluator():
    return FakePotential().evaluator(CPU)


@pytest.fixture
def geometry():
    return Geometry.of(CRYSTALS, CPU)


def zero_step(geometry):
    return torch.zeros(len(geometry.positions) + 3 * len(geometry), 3, dtype=torch.float64)


def random_step(geometry, size):
    return size * torch.tensor(np.random.default_rng(5).normal(size=zero_step(geometry).shape))


def test_every_crystal_has_its_atoms_and_then_three_rows_of_strain(geometry):
    coordinates = Coordinates(geometry)
    assert coordinates.crystal_of_row.tolist() == [0] * 5 + [1] * 4 + [2] * 5
    assert coordinates.is_atom.tolist() == [True] * 2 + [False] * 3 + [True] + [False] * 3 + [True] * 2 + [False] * 3


def test_the_slope_is_minus_the_derivative_of_the_energy(evaluator, geometry):
    coordinates = Coordinates(geometry)
    slope = coordinates.slope(geometry, evaluator.evaluate(geometry))
    assert (slope.forces.abs() > 1e-4).all(dim=1).sum() == 13  # one atom alone feels nothing
    for row in range(len(slope.forces)):
        for axis in range(3):
            step = zero_step(geometry)
            step[row, axis] = 1e-4
            there, back = (coordinates.moved(geometry, sign * step) for sign in (1, -1))
            change = evaluator.evaluate(there).energies - evaluator.evaluate(back).energies
            expected = torch.zeros(3, dtype=torch.float64)
            expected[coordinates.crystal_of_row[row]] = -slope.forces[row, axis]
            np.testing.assert_allclose(change / 2e-4, expected, atol=1e-6, rtol=1e-5)


def largest_force_of_ase(crystal, energy, forces, stress):
    atoms = Atoms(crystal.atomic_numbers, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=full_3x3_to_voigt_6_stress(stress))
    rows = np.linalg.norm(FrechetCellFilter(atoms).get_forces(), axis=1)
    return rows.max(), rows.argmax() < crystal.num_atoms


def test_the_largest_force_is_that_of_the_filter_of_ase(evaluator):
    crystals = [*CRYSTALS, Crystal("x", 1.8 * LATTICE, CLOSE_PAIR, np.full(6, ARGON))]
    geometry = Geometry.of(crystals, CPU)
    evaluation = evaluator.evaluate(geometry)
    forces = evaluation.forces.split(geometry.num_atoms.tolist())
    values = zip(crystals, evaluation.energies.tolist(), forces, evaluation.stresses, strict=True)
    expected = [largest_force_of_ase(crystal, energy, f.numpy(), s.numpy()) for crystal, energy, f, s in values]
    assert {is_of_atom for _, is_of_atom in expected} == {True, False}
    ours = Coordinates(geometry).largest_forces(geometry, evaluation)
    np.testing.assert_allclose(ours, [force for force, _ in expected], rtol=1e-10)


def test_no_step_is_no_motion(geometry):
    there = Coordinates(geometry).moved(geometry, zero_step(geometry))
    assert torch.equal(there.lattices, geometry.lattices)
    assert torch.equal(there.positions, geometry.positions)
    assert there.keys == geometry.keys


def test_atoms_follow_the_cell(geometry):
    coordinates = Coordinates(geometry)
    step = random_step(geometry, 0.3)
    step[coordinates.is_atom] = 0
    there = coordinates.moved(geometry, step)
    assert (there.lattices - geometry.lattices).abs().max() > 0.1
    for index, crystal in enumerate(CRYSTALS):
        np.testing.assert_allclose(there.crystal(index, crystal).frac_coords, crystal.frac_coords % 1.0, atol=1e-12)


def test_atoms_move_by_their_rows(geometry):
    coordinates = Coordinates(geometry)
    step = random_step(geometry, 0.3)
    step[~coordinates.is_atom] = 0
    there = coordinates.moved(geometry, step)
    assert torch.equal(there.lattices, geometry.lattices)
    torch.testing.assert_close(there.positions - geometry.positions, step[coordinates.is_atom])


def test_cells_are_stretched_but_not_turned(geometry):
    there = Coordinates(geometry).moved(geometry, random_step(geometry, 0.3))
    deformation = torch.linalg.solve(geometry.lattices, there.lattices)
    torch.testing.assert_close(deformation, deformation.mT, rtol=0, atol=1e-12)
    assert torch.linalg.eigvalsh(deformation).min() > 0


def test_a_turn_of_the_cell_is_no_motion(geometry):
    coordinates = Coordinates(geometry)
    step = zero_step(geometry)
    turn = torch.tensor([[0.0, 1.0, -2.0], [-1.0, 0.0, 0.5], [2.0, -0.5, 0.0]], dtype=torch.float64)
    step[~coordinates.is_atom] = turn.repeat(len(geometry), 1)
    torch.testing.assert_close(coordinates.moved(geometry, step).lattices, geometry.lattices)


def test_volumes_grow_by_the_exponential_of_the_strain(geometry):
    coordinates = Coordinates(geometry)
    step = zero_step(geometry)
    step[~coordinates.is_atom] = 0.1 * torch.eye(3, dtype=torch.float64).repeat(len(geometry), 1)
    growth = coordinates.moved(geometry, step).volumes / geometry.volumes
    torch.testing.assert_close(growth, torch.exp(0.3 / geometry.num_atoms.double().sqrt()))


def test_a_crystal_moves_in_a_batch_as_it_does_alone(evaluator, geometry):
    step, coordinates = random_step(geometry, 0.2), Coordinates(geometry)
    together = coordinates.moved(geometry, step)
    slope = coordinates.slope(geometry, evaluator.evaluate(geometry))
    for index in range(len(geometry)):
        chosen, rows = torch.arange(len(geometry)) == index, coordinates.crystal_of_row == index
        alone, expected = geometry.where(chosen), together.where(chosen)
        there = Coordinates(alone).moved(alone, step[rows])
        torch.testing.assert_close(there.lattices, expected.lattices, rtol=0, atol=1e-12)
        torch.testing.assert_close(there.positions, expected.positions, rtol=0, atol=1e-12)
        slope_alone = Coordinates(alone).slope(alone, evaluator.evaluate(alone))
        torch.testing.assert_close(slope_alone.forces, slope.where(chosen).forces, rtol=0, atol=1e-12)
