"""Where the crystals of a batch stand: a few numbers each, brought from the device once a step."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.potential import Evaluation
from sunflow.relaxation.screening import absurd_cells

EV_PER_CUBIC_ANGSTROM = 160.21766208
"""GPa."""
MAX_ENERGY = 1e3
"""eV/atom; above it lies no matter. There is no general lower end: that depends on the scale."""
MAX_FORCE = 1e5
"""eV/Å; beyond it an optimiser's steps mean nothing."""


@dataclass(frozen=True)
class Place:
    """Where a crystal stands.

    Attributes:
        energy_per_atom: eV/atom.
        force: The largest on an atom or, per atom, on the cell, in eV/Å.
        stress: The largest component, in GPa.
        is_absurd: Whether energy, force or cell are beyond reason.
        refusal: Why the potential has no energy for it; empty if it has.
    """

    energy_per_atom: float
    force: float
    stress: float
    is_absurd: bool
    refusal: str


def places_of(geometry: Geometry, evaluation: Evaluation, forces: Float64[Tensor, " crystals"]) -> list[Place]:
    """The places of all crystals of a batch; `forces` are their largest, in eV/Å."""
    energies = evaluation.energies / geometry.num_atoms
    stresses = evaluation.stresses.abs().amax(dim=(1, 2)) * EV_PER_CUBIC_ANGSTROM
    numbers = torch.stack([energies, forces, stresses, geometry.num_atoms], dim=1)
    table = torch.cat([numbers, geometry.lattices.reshape(-1, 9)], dim=1).cpu().numpy()
    is_sane = np.isfinite(table[:, 0]) & (table[:, 0] < MAX_ENERGY) & (table[:, 1] < MAX_FORCE)
    is_absurd = ~is_sane | absurd_cells(table[:, 4:].reshape(-1, 3, 3), table[:, 3])
    return [
        Place(energy, force, stress, bool(absurd), evaluation.refusals.get(index, ""))
        for index, ((energy, force, stress), absurd) in enumerate(zip(table[:, :3].tolist(), is_absurd, strict=True))
    ]
