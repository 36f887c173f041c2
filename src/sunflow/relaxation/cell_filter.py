"""Atoms and cell as one set of coordinates for ASE's optimisers."""

from typing import Any

import numpy as np
from ase import Atoms
from ase.filters import Filter
from ase.stress import voigt_6_to_full_3x3_stress


class LogStrainFilter(Filter):
    """The coordinates of ASE's `FrechetCellFilter`: positions in the undeformed cell, and the logarithm of the strain.

    The strain is kept symmetric (the cell does not turn), so that its exponential and the derivative of that follow
    from one eigendecomposition (Daleckii and Krein) instead of SciPy's general functions.
    """

    def __init__(self, atoms: Atoms) -> None:
        super().__init__(atoms, indices=range(len(atoms)))
        self.undeformed_cell = atoms.cell.array.copy()
        self.undeformed_positions = atoms.positions.copy()
        self.log_strain = np.zeros((3, 3))

    def __len__(self) -> int:
        return len(self.atoms) + 3

    def get_positions(self) -> np.ndarray:
        """(atoms + 3, 3) positions, then log strain times the number of atoms, all in Å."""
        return np.concatenate([self.undeformed_positions, len(self.atoms) * self.log_strain])

    def set_positions(self, new: np.ndarray, **_: Any) -> None:
        """Deform the cell and move the atoms with it."""
        num_atoms = len(self.atoms)
        self.undeformed_positions = new[:num_atoms].copy()
        self.log_strain = (new[num_atoms:] + new[num_atoms:].T) / (2 * num_atoms)
        strain = self._strain()
        self.atoms.set_cell(self.undeformed_cell @ strain)
        self.atoms.set_positions(self.undeformed_positions @ strain)

    def get_potential_energy(self, force_consistent: bool = True) -> float:
        """In eV."""
        return self.atoms.get_potential_energy(force_consistent=force_consistent)

    def get_forces(self, **_: Any) -> np.ndarray:
        """(atoms + 3, 3) minus the derivative of the energy to the coordinates, in eV/Å."""
        forces = self.atoms.get_forces() @ self._strain()
        return np.concatenate([forces, self._log_strain_force() / len(self.atoms)])

    def _strain(self) -> np.ndarray:
        values, vectors = np.linalg.eigh(self.log_strain)
        return vectors @ np.diag(np.exp(values)) @ vectors.T

    def _log_strain_force(self) -> np.ndarray:
        """The virial, carried from the strain to its logarithm."""
        stress = voigt_6_to_full_3x3_stress(self.atoms.get_stress())
        virial = -self.atoms.get_volume() * stress
        values, vectors = np.linalg.eigh(self.log_strain)
        force = virial @ (vectors @ np.diag(np.exp(-values)) @ vectors.T)
        force = vectors.T @ ((force + force.T) / 2) @ vectors
        return vectors @ (_divided_differences(values) * force) @ vectors.T


def _divided_differences(values: np.ndarray) -> np.ndarray:
    """(exp x - exp y) / (x - y) for every pair of values, in the form that is stable for equal ones."""
    mean, half = (values[:, None] + values) / 2, (values[:, None] - values) / 2
    safe = np.where(half == 0, 1.0, half)
    return np.exp(mean) * np.where(half == 0, 1.0, np.sinh(safe) / safe)
