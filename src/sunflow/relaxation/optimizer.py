"""What an optimiser is: it turns the forces on many crystals into steps, of which each depends on one crystal alone.

The coordinates of a crystal are rows of three numbers: one row per atom, then three of its strain.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor


@dataclass(frozen=True)
class Memory:
    """What an optimiser remembers of crystals on their way: tensors with an entry per row, and with one per crystal."""

    rows: dict[str, Tensor]
    crystals: dict[str, Tensor]

    def where(self, rows: Bool[Tensor, " rows"], crystals: Bool[Tensor, " crystals"]) -> "Memory":
        """That of the chosen rows and crystals."""
        return Memory(
            {name: value[rows] for name, value in self.rows.items()},
            {name: value[crystals] for name, value in self.crystals.items()},
        )

    def joined(self, other: "Memory") -> "Memory":
        """This one, and then that of other crystals."""
        return Memory(
            {name: torch.cat([value, other.rows[name]]) for name, value in self.rows.items()},
            {name: torch.cat([value, other.crystals[name]]) for name, value in self.crystals.items()},
        )


@dataclass(frozen=True)
class Slope:
    """Where crystals stand.

    Attributes:
        energies: eV.
        forces: Minus the derivative of the energy to every coordinate, in eV/Å.
        crystal_of_row: Index of the crystal that a row belongs to.
    """

    energies: Float64[Tensor, " crystals"]
    forces: Float64[Tensor, "rows 3"]
    crystal_of_row: Int64[Tensor, " rows"]

    def where(self, crystals: Bool[Tensor, " crystals"]) -> "Slope":
        """That of the chosen crystals."""
        rows = crystals[self.crystal_of_row]
        places = crystals.cumsum(0) - 1
        return Slope(self.energies[crystals], self.forces[rows], places[self.crystal_of_row[rows]])

    def dot(self, one: Float64[Tensor, "rows 3"], other: Float64[Tensor, "rows 3"]) -> Float64[Tensor, " crystals"]:
        """The scalar product of two directions, crystal by crystal."""
        return torch.zeros_like(self.energies).index_add(0, self.crystal_of_row, (one * other).sum(dim=1))

    def scaled(
        self, factors: Float64[Tensor, " crystals"], direction: Float64[Tensor, "rows 3"]
    ) -> Float64[Tensor, "rows 3"]:
        """A direction, with every crystal's rows multiplied by its factor."""
        return factors[self.crystal_of_row, None] * direction


@runtime_checkable
class Optimizer(Protocol):
    """Finds minima."""

    def start(self, num_rows: int, num_crystals: int, device: torch.device) -> Memory:
        """The memory of crystals that have not moved yet."""
        ...

    def step(self, memory: Memory, slope: Slope) -> tuple[Float64[Tensor, "rows 3"], Memory]:
        """The step of every row in Å, and what to remember."""
        ...


def longest_row(direction: Float64[Tensor, "rows 3"], slope: Slope) -> Float64[Tensor, " crystals"]:
    """The length of the longest row of every crystal."""
    lengths = direction.norm(dim=1)
    return torch.zeros_like(slope.energies).scatter_reduce(0, slope.crystal_of_row, lengths, "amax")
