"""Many crystals in flat tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.crystals.crystal import Crystal


@dataclass(frozen=True)
class CrystalBatch:
    """Crystals one after another: the atoms of the first, then those of the second, and so on.

    Attributes:
        lattice: Rows are lattice vectors, in Å.
        frac_coords: In [0, 1).
        atomic_numbers: Z of every atom.
        num_atoms: Atoms of every crystal.
        num_pairs: Ordered pairs of atoms of one crystal, an atom with itself included, where the host knows how many
            there are: a GPU need not be asked then.
        failures: Crystals that could not be made, by their index, and why; their numbers mean nothing.
    """

    lattice: Float[Tensor, "crystals 3 3"]
    frac_coords: Float[Tensor, "atoms 3"]
    atomic_numbers: Int[Tensor, " atoms"]
    num_atoms: Int[Tensor, " crystals"]
    num_pairs: int | None = None
    failures: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.num_atoms)

    @property
    def crystal_of_atom(self) -> Int[Tensor, " atoms"]:
        """Index of the crystal that each atom belongs to."""
        indices = torch.arange(len(self), device=self.num_atoms.device)
        return torch.repeat_interleave(indices, self.num_atoms, output_size=len(self.atomic_numbers))

    def to(self, device: torch.device | str) -> "CrystalBatch":
        """The same crystals on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, function: Callable[[Tensor], Tensor]) -> "CrystalBatch":
        """The batch with the function applied to each of its tensors."""
        return type(self)(
            lattice=function(self.lattice),
            frac_coords=function(self.frac_coords),
            atomic_numbers=function(self.atomic_numbers),
            num_atoms=function(self.num_atoms),
            num_pairs=self.num_pairs,
            failures=self.failures,
        )

    @classmethod
    def from_crystals(cls, crystals: Sequence[Crystal]) -> "CrystalBatch":
        """Stack crystals, in single precision."""
        return cls(
            lattice=torch.tensor([crystal.lattice.tolist() for crystal in crystals], dtype=torch.float32).reshape(
                -1, 3, 3
            ),
            frac_coords=torch.cat([torch.tensor(crystal.frac_coords, dtype=torch.float32) for crystal in crystals]),
            atomic_numbers=torch.cat([torch.tensor(crystal.atomic_numbers) for crystal in crystals]),
            num_atoms=torch.tensor([crystal.num_atoms for crystal in crystals]),
        )

    def to_crystals(self, crystal_ids: Sequence[str]) -> list[Crystal]:
        """The crystals one by one, under these names; failures are failed ones without atoms."""
        sizes = self.num_atoms.tolist()
        columns = (self.frac_coords.double().cpu().split(sizes), self.atomic_numbers.cpu().split(sizes))
        rows = zip(crystal_ids, self.lattice.double().cpu(), *columns, strict=True)
        return [
            Crystal.failure(crystal_id, self.failures[index])
            if index in self.failures
            else Crystal(crystal_id, lattice.numpy(), frac_coords.numpy(), atomic_numbers.numpy())
            for index, (crystal_id, lattice, frac_coords, atomic_numbers) in enumerate(rows)
        ]
