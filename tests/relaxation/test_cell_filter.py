import numpy as np
import pytest
from ase import Atoms
from ase.filters import FrechetCellFilter
from fake_potential import ARGON, FakePotential

from sunflow.relaxation.cell_filter import LogStrainFilter


@pytest.fixture
def atoms():
    random = np.random.default_rng(1)
    cell = 4.6 * np.eye(3) + 0.4 * random.random((3, 3))
    return Atoms(
        numbers=[ARGON] * 3,
        scaled_positions=[[0, 0, 0], [0.5, 0.45, 0.1], [0.1, 0.5, 0.55]],
        cell=cell,
        pbc=True,
        calculator=FakePotential().calculator(),
    )


def strained(atoms, amplitude, kind=LogStrainFilter):
    filtered = kind(atoms)
    step = amplitude * np.random.default_rng(2).normal(size=(6, 3))
    step[3:] = 3 * (step[3:] + step[3:].T) / 2
    filtered.set_positions(filtered.get_positions() + step)
    return filtered


@pytest.mark.parametrize("amplitude", [0.0, 0.1])
def test_forces_are_minus_the_derivative_of_the_energy(atoms, amplitude):
    filtered = strained(atoms, amplitude)
    start, forces, step = filtered.get_positions(), filtered.get_forces(), 1e-5
    direction = np.random.default_rng(3).normal(size=start.shape)
    direction[3:] = (direction[3:] + direction[3:].T) / 2
    energies = []
    for sign in (1, -1):
        filtered.set_positions(start + sign * step * direction)
        energies.append(filtered.get_potential_energy())
    assert -(forces * direction).sum() == pytest.approx((energies[0] - energies[1]) / (2 * step), rel=1e-5)


def test_forces_at_the_undeformed_cell_are_those_of_ase(atoms):
    np.testing.assert_allclose(LogStrainFilter(atoms).get_forces(), FrechetCellFilter(atoms).get_forces(), atol=1e-12)


def test_strained_coordinates_deform_the_cell_as_in_ase(atoms):
    twin = atoms.copy()
    strained(atoms, 0.1)
    strained(twin, 0.1, FrechetCellFilter)
    np.testing.assert_allclose(atoms.cell.array, twin.cell.array, atol=1e-9)
    np.testing.assert_allclose(atoms.positions, twin.positions, atol=1e-9)


def test_positions_come_back_as_they_were_set(atoms):
    filtered = strained(atoms, 0.1)
    coordinates = filtered.get_positions()
    filtered.set_positions(coordinates)
    np.testing.assert_allclose(filtered.get_positions(), coordinates, atol=1e-14)
    assert len(filtered) == len(coordinates) == 6
