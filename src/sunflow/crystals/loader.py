"""Crystals in batches, in an order that depends on a seed and the epoch alone."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal


class CrystalLoader:
    """All crystals of a split in the memory of one device, handed out in batches.

    Attributes:
        num_crystals: Crystals of an epoch; all are handed out, the last batch may be smaller.
    """

    def __init__(
        self, crystals: Sequence[Crystal], batch_size: int, device: torch.device | str, shuffle_seed: int | None = None
    ) -> None:
        if not crystals:
            raise ValueError("there is no crystal to load")
        everything = CrystalBatch.from_crystals(crystals)
        self.num_crystals = len(everything)
        self._batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._num_atoms = everything.num_atoms
        self._first_atom = everything.num_atoms.cumsum(0) - everything.num_atoms
        self._everything = everything.to(device)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-self.num_crystals // self._batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[CrystalBatch]:
        """The batches of this epoch from the batch `first` on, in the same order whenever asked."""
        for crystals in self._order(epoch).split(self._batch_size)[first:]:
            yield self._select(crystals)

    def _order(self, epoch: int) -> Int[Tensor, " crystals"]:
        if self._shuffle_seed is None:
            return torch.arange(self.num_crystals)
        generator = torch.Generator().manual_seed(self._shuffle_seed + epoch)
        return torch.randperm(self.num_crystals, generator=generator)

    def _select(self, crystals: Int[Tensor, " selected"]) -> CrystalBatch:
        num_atoms = self._num_atoms[crystals]
        shift = self._first_atom[crystals] - (num_atoms.cumsum(0) - num_atoms)
        atoms = torch.arange(int(num_atoms.sum())) + shift.repeat_interleave(num_atoms)
        device = self._everything.lattice.device
        crystals, atoms = crystals.to(device), atoms.to(device)
        return CrystalBatch(
            lattice=self._everything.lattice[crystals],
            frac_coords=self._everything.frac_coords[atoms],
            atomic_numbers=self._everything.atomic_numbers[atoms],
            num_atoms=self._everything.num_atoms[crystals],
        )
