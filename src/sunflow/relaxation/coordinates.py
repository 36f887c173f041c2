"""The coordinates in which crystals are relaxed: the positions of their atoms, and the logarithm of the cell's strain.

They are those of ASE's `FrechetCellFilter`, begun anew at every step, so that the cell's gradient is simply the virial.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sunflow.crystals.ragged import members
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.optimizer import Slope, longest_row
from sunflow.relaxation.potential import Evaluation


class Coordinates:
    """Which rows of three numbers are whose: every crystal's atoms, then its strain.

    Attributes:
        crystal_of_row: Index of the crystal that a row belongs to.
        is_atom: False for rows of strain.
    """

    crystal_of_row: Int64[Tensor, " rows"]
    is_atom: Bool[Tensor, " rows"]

    def __init__(self, geometry: Geometry) -> None:
        self.crystal_of_row, place = members(geometry.num_atoms + 3)
        self.is_atom = place < geometry.num_atoms[self.crystal_of_row]

    def slope(self, geometry: Geometry, evaluation: Evaluation) -> Slope:
        """The forces on all coordinates; a strain counts as long as √atoms Å, which makes cells as stiff as atoms."""
        scale = geometry.num_atoms.double().sqrt()
        return self._slope(geometry, evaluation, scale)

    def largest_forces(self, geometry: Geometry, evaluation: Evaluation) -> Float64[Tensor, " crystals"]:
        """eV/Å, over atoms and cell; the cell's gradient is taken per atom, as ASE's filters scale it."""
        slope = self._slope(geometry, evaluation, geometry.num_atoms.double())
        return longest_row(slope.forces, slope)

    def moved(self, geometry: Geometry, step: Float64[Tensor, "rows 3"]) -> Geometry:
        """The atoms moved by their rows, and then cell and atoms deformed by the exponential of the strain."""
        scale = geometry.num_atoms.double().sqrt()
        log_strains = step[~self.is_atom].reshape(-1, 3, 3) / scale[:, None, None]
        strains = torch.linalg.matrix_exp((log_strains + log_strains.mT) / 2)
        positions = geometry.positions + step[self.is_atom]
        positions = torch.einsum("ai,aij->aj", positions, strains[geometry.crystal_of_atom])
        return replace(geometry, lattices=geometry.lattices @ strains, positions=positions)

    def _slope(self, geometry: Geometry, evaluation: Evaluation, scale: Float64[Tensor, " crystals"]) -> Slope:
        virials = -(geometry.volumes / scale)[:, None, None] * evaluation.stresses
        forces = torch.empty(len(self.is_atom), 3, dtype=torch.float64, device=scale.device)
        forces[self.is_atom] = evaluation.forces
        forces[~self.is_atom] = virials.reshape(-1, 3)
        return Slope(evaluation.energies, forces, self.crystal_of_row)
