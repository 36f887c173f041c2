"""The graph that joins all atoms of a crystal with one another."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.crystals.ragged import members, starts


@dataclass(frozen=True)
class CompleteGraph:
    """An edge for every ordered pair of atoms of a crystal, an atom with itself included.

    Attributes:
        num_atoms: Atoms of every crystal.
        crystal_of_atom: Index of the crystal of every atom.
        receiver: The atom that an edge points to, in ascending order.
        sender: The atom that it comes from.
        first: The first atom of every unordered pair of different atoms.
        second: The other one.
    """

    num_atoms: Int[Tensor, " crystals"]
    crystal_of_atom: Int[Tensor, " atoms"]
    receiver: Int[Tensor, " edges"]
    sender: Int[Tensor, " edges"]
    first: Int[Tensor, " pairs"]
    second: Int[Tensor, " pairs"]

    @classmethod
    def of(
        cls, num_atoms: Int[Tensor, " crystals"], total_atoms: int | None = None, total_edges: int | None = None
    ) -> "CompleteGraph":
        """The graph of crystals of these sizes.

        Args:
            num_atoms: The sizes.
            total_atoms: Their sum; without it and the next, a GPU is waited for.
            total_edges: The sum of their squares.
        """
        crystal_of_atom, place = members(num_atoms, total_atoms)
        size = num_atoms[crystal_of_atom]
        receiver, sender = members(size, total_edges)
        pairs = None if total_atoms is None or total_edges is None else (total_edges - total_atoms) // 2
        first, distance = members(size - 1 - place, pairs)
        sender = starts(num_atoms)[crystal_of_atom][receiver] + sender
        return cls(num_atoms, crystal_of_atom, receiver, sender, first, first + 1 + distance)

    def per_neighbor(self, total: Float[Tensor, "atoms features"]) -> Float[Tensor, "atoms features"]:
        """The mean over all edges that point to an atom, of their sum."""
        return total / self.num_atoms[self.crystal_of_atom, None]

    def mean_of_atoms(self, value: Float[Tensor, "atoms features"]) -> Float[Tensor, "crystals features"]:
        """The mean over all atoms of a crystal, at least in single precision."""
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        total = value.new_zeros(len(self.num_atoms), value.shape[1]).index_add_(0, self.crystal_of_atom, value)
        return total / self.num_atoms[:, None]
