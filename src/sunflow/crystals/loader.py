"""Crystals in batches, in an order that depends on a seed and the epoch alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal


@dataclass(frozen=True)
class Share:
    """What one process takes of a batch.

    Attributes:
        crystals: At least one.
        places: The place of each in the batch.
        batch_size: Crystals of the batch, those of all processes together.
        weight: 1, or 0 where there is nothing left to take: then the crystal is another process's, for company.
    """

    crystals: CrystalBatch
    places: Int[Tensor, " crystals"]
    batch_size: int
    weight: float


class CrystalLoader:
    """All crystals of a split in the memory of one device, handed out in batches, of which this process takes a share.

    Attributes:
        num_crystals: Crystals of an epoch; all are handed out, the last batch may be smaller.

    Args:
        crystals: Of the split, the same in every process.
        batch_size: Crystals of a process's share.
        device: Where they are kept.
        shuffle_seed: None keeps their order.
        rank: The number of this process among those that share the batches.
        num_processes: How many those are.
        properties: Of the crystals, that the batches hold.
    """

    def __init__(
        self,
        crystals: Sequence[Crystal],
        batch_size: int,
        device: torch.device | str,
        shuffle_seed: int | None = None,
        rank: int = 0,
        num_processes: int = 1,
        properties: Sequence[str] = (),
    ) -> None:
        if not crystals:
            raise ValueError("there is no crystal to load")
        everything = CrystalBatch.from_crystals(crystals, properties)
        self.num_crystals = len(everything)
        self._batch_size = batch_size * num_processes
        self._shuffle_seed = shuffle_seed
        self._rank = rank
        self._num_processes = num_processes
        self._num_atoms = everything.num_atoms
        self._first_atom = everything.num_atoms.cumsum(0) - everything.num_atoms
        self._everything = everything.to(device)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-self.num_crystals // self._batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Share]:
        """Shares of the batches of this epoch from the batch `first` on, in the same order whenever asked.

        A GPU is waited for once, at the beginning.
        """
        order = self._order(epoch)
        in_order = self._select(order)
        atoms, pairs = (_ends(self._num_atoms[order] ** power) for power in (1, 2))
        for start in range(first * self._batch_size, self.num_crystals, self._batch_size):
            size = min(self._batch_size, self.num_crystals - start)
            own = range(size * self._rank // self._num_processes, size * (self._rank + 1) // self._num_processes)
            taken = own or range(1)
            crystals = _slice(in_order, atoms, pairs, start + taken.start, start + taken.stop)
            places = torch.arange(taken.start, taken.stop, device=crystals.lattice.device)
            yield Share(crystals, places, size, float(len(own) > 0))

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
        return self._everything.part(crystals.to(device), atoms.to(device))


def _ends(sizes: Int[Tensor, " crystals"]) -> list[int]:
    """Where crystals end, counted from the start of the first."""
    return [0, *sizes.cumsum(0).tolist()]


def _slice(crystals: CrystalBatch, atoms: Sequence[int], pairs: Sequence[int], start: int, stop: int) -> CrystalBatch:
    """The crystals from `start` to `stop`, without a copy; `atoms[i]` atoms belong to the first i crystals."""
    those = slice(atoms[start], atoms[stop])
    return crystals.part(slice(start, stop), those, pairs[stop] - pairs[start])
