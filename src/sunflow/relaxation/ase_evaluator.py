"""An ASE calculator for one crystal after another; its exceptions become refusals."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.capacity import is_out_of_memory
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.neighbors import expected_pairs
from sunflow.relaxation.potential import Evaluation

if TYPE_CHECKING:
    from ase import Atoms

RADIUS = 6.0
"""Å; a crystal's size is the number of pairs of atoms nearer than this, whatever the calculator's own cutoff."""


class AseEvaluator:
    """A calculator that is asked about one crystal after another; its exceptions become refusals."""

    def __init__(self, calculator: Any, device: torch.device) -> None:
        self.calculator, self.device = calculator, device

    def evaluate(self, geometry: Geometry) -> Evaluation:
        """Energies, forces and stresses; not a number for crystals on which the calculator raised an exception.

        Raises:
            MemoryError: Memory ran out; on a GPU this is `torch.OutOfMemoryError`.
        """
        refusals: dict[int, str] = {}
        energies, forces, stresses = [], [np.empty((0, 3))], []
        for index, atoms in enumerate(_each_atoms(geometry)):
            try:
                energy, force, stress = self._calculated(atoms)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                refusals[index] = f"{type(error).__name__}: {error}"
                energy, force, stress = np.nan, np.full((len(atoms), 3), np.nan), np.full((3, 3), np.nan)
            energies.append(energy)
            forces.append(force)
            stresses.append(stress)
        return Evaluation(
            energies=self._tensor(energies),
            forces=self._tensor(np.concatenate(forces)),
            stresses=self._tensor(np.reshape(stresses, (-1, 3, 3))),
            refusals=refusals,
        )

    def size(self, crystal: Crystal) -> float:
        """Pairs of atoms to expect."""
        return expected_pairs(crystal, RADIUS)

    def _calculated(self, atoms: "Atoms") -> tuple[float, np.ndarray, np.ndarray]:
        """Energy, forces and stress, none of which is remembered from a crystal that went wrong."""
        atoms.calc = self.calculator
        try:
            return float(atoms.get_potential_energy()), atoms.get_forces(), atoms.get_stress(voigt=False)
        except Exception:
            if hasattr(self.calculator, "reset"):
                self.calculator.reset()
            raise

    def _tensor(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.float64), device=self.device)


def _each_atoms(geometry: Geometry) -> Iterator["Atoms"]:
    from ase import Atoms

    sizes = geometry.num_atoms.tolist()
    cells = geometry.lattices.cpu().numpy()
    for numbers, positions, cell in zip(
        geometry.atomic_numbers.cpu().split(sizes), geometry.positions.cpu().split(sizes), cells, strict=True
    ):
        yield Atoms(numbers=numbers.numpy(), positions=positions.numpy(), cell=cell, pbc=True)
