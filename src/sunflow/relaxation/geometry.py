"""Crystals in motion: positions and cells of many, in flat tensors of double precision."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sunflow.crystals.crystal import Crystal, wrapped

_new_keys = itertools.count()


@dataclass(frozen=True)
class Geometry:
    """Crystals one after another: the atoms of the first, then those of the second, and so on.

    Attributes:
        lattices: Rows are lattice vectors, in Å.
        positions: Cartesian, in Å; atoms may have left the cell.
        atomic_numbers: Z of every atom.
        num_atoms: Atoms of every crystal.
        keys: A number per crystal that no other one ever has, by which neighbour lists are remembered between calls.
    """

    lattices: Float64[Tensor, "crystals 3 3"]
    positions: Float64[Tensor, "atoms 3"]
    atomic_numbers: Int64[Tensor, " atoms"]
    num_atoms: Int64[Tensor, " crystals"]
    keys: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def crystal_of_atom(self) -> Int64[Tensor, " atoms"]:
        """Index of the crystal that each atom belongs to."""
        indices = torch.arange(len(self), device=self.num_atoms.device)
        return torch.repeat_interleave(indices, self.num_atoms, output_size=len(self.atomic_numbers))

    @cached_property
    def volumes(self) -> Float64[Tensor, " crystals"]:
        """Å³."""
        return torch.linalg.det(self.lattices).abs()

    def crystal(self, index: int, given: Crystal) -> Crystal:
        """The crystal of this index as it stands now, under the name of the one it was given as."""
        num_atoms = self.num_atoms[: index + 1].tolist()
        positions = self.positions[sum(num_atoms) - num_atoms[-1] : sum(num_atoms)].cpu().numpy()
        lattice = self.lattices[index].cpu().numpy()
        frac_coords = wrapped(np.linalg.solve(lattice.T, positions.T).T)
        return replace(given, lattice=lattice, frac_coords=frac_coords)

    def where(self, crystals: Bool[Tensor, " crystals"]) -> "Geometry":
        """The chosen crystals."""
        atoms = crystals[self.crystal_of_atom]
        return Geometry(
            lattices=self.lattices[crystals],
            positions=self.positions[atoms],
            atomic_numbers=self.atomic_numbers[atoms],
            num_atoms=self.num_atoms[crystals],
            keys=tuple(itertools.compress(self.keys, crystals.tolist())),
        )

    def joined(self, other: "Geometry") -> "Geometry":
        """These crystals, and then those of another geometry."""
        return Geometry(
            lattices=torch.cat([self.lattices, other.lattices]),
            positions=torch.cat([self.positions, other.positions]),
            atomic_numbers=torch.cat([self.atomic_numbers, other.atomic_numbers]),
            num_atoms=torch.cat([self.num_atoms, other.num_atoms]),
            keys=self.keys + other.keys,
        )

    @classmethod
    def of(cls, crystals: Sequence[Crystal], device: torch.device) -> "Geometry":
        """These crystals, under new keys."""
        positions = [crystal.frac_coords @ crystal.lattice for crystal in crystals]
        numbers = [crystal.atomic_numbers for crystal in crystals]
        lattices = np.array([crystal.lattice for crystal in crystals]).reshape(-1, 3, 3)
        return cls(
            lattices=torch.tensor(lattices, device=device),
            positions=torch.tensor(np.concatenate([np.empty((0, 3)), *positions]), device=device),
            atomic_numbers=torch.tensor(np.concatenate([np.empty(0, dtype=np.int64), *numbers]), device=device),
            num_atoms=torch.tensor([len(each) for each in numbers], dtype=torch.int64, device=device),
            keys=tuple(next(_new_keys) for _ in crystals),
        )
