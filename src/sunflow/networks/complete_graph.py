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
    """

    num_atoms: Int[Tensor, " crystals"]
    crystal_of_atom: Int[Tensor, " atoms"]
    receiver: Int[Tensor, " edges"]
    sender: Int[Tensor, " edges"]

    @classmethod
    def of(cls, num_atoms: Int[Tensor, " crystals"]) -> "CompleteGraph":
        """The graph of crystals of these sizes; on a GPU, the only place that waits for it."""
        crystal_of_atom, _ = members(num_atoms)
        receiver, place = members(num_atoms[crystal_of_atom])
        return cls(num_atoms, crystal_of_atom, receiver, starts(num_atoms)[crystal_of_atom][receiver] + place)

    def mean_of_messages(self, message: Float[Tensor, "edges features"]) -> Float[Tensor, "atoms features"]:
        """The mean over all edges that point to an atom."""
        return _sum(message, self.receiver, len(self.crystal_of_atom)) / self.num_atoms[self.crystal_of_atom, None]

    def mean_of_atoms(self, value: Float[Tensor, "atoms features"]) -> Float[Tensor, "crystals features"]:
        """The mean over all atoms of a crystal."""
        return _sum(value, self.crystal_of_atom, len(self.num_atoms)) / self.num_atoms[:, None]


def _sum(
    value: Float[Tensor, "rows features"], index: Int[Tensor, " rows"], num: int
) -> Float[Tensor, "sums features"]:
    """Sums of the rows with the same index, at least in single precision."""
    value = value.to(torch.promote_types(value.dtype, torch.float32))
    return value.new_zeros(num, value.shape[1]).index_add_(0, index, value)
