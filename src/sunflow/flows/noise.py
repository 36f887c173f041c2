"""Where the random numbers of a flow come from: one stream for a batch, or one stream per crystal.

All randomness is standard normal; flows on other manifolds transform it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Called with the shape of one row, draws standard normal numbers for all rows of a field: `draw(3)` is (rows, 3).
Draw = Callable[..., Tensor]


class Noise(ABC):
    """A source of standard normal numbers for rows, such as atoms, that belong to crystals."""

    @abstractmethod
    def normal(self, crystal_of_row: Int[Tensor, " rows"], *shape: int) -> Float[Tensor, "rows ..."]:
        """Fresh numbers, of this shape for every row."""


class BatchNoise(Noise):
    """One stream for the whole batch, for training. Numbers are drawn on the device of `generator`."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def normal(self, crystal_of_row: Int[Tensor, " rows"], *shape: int) -> Float[Tensor, "rows ..."]:
        """Fresh numbers, of this shape for every row."""
        rows = len(crystal_of_row)
        drawn = torch.randn(rows, *shape, generator=self.generator, device=self.generator.device)
        return drawn.to(crystal_of_row.device)

    def steps(self, num_crystals: int, num_steps: int) -> Int[Tensor, " crystals"]:
        """One step of 1 … `num_steps` per crystal, all equally likely."""
        device = self.generator.device
        return torch.randint(1, num_steps + 1, (num_crystals,), generator=self.generator, device=device)


class CrystalNoise(Noise):
    """One stream per crystal, for sampling: a crystal's numbers do not depend on the batch it is in.

    The numbers are a function of (seed of the crystal, call, row within the crystal, place in the row), computed for
    all crystals at once by the SplitMix64 mixing of a counter (Steele, Lea & Flood, OOPSLA 2014), so no crystal needs
    a generator of its own, and all devices draw the same numbers.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.keys = _mix(torch.tensor(seeds, dtype=torch.int64, device=device))
        self.num_calls = 0

    def normal(self, crystal_of_row: Int[Tensor, " rows"], *shape: int) -> Float[Tensor, "rows ..."]:
        """Fresh numbers, of this shape for every row; the rows of a crystal stand together, in order."""
        self.num_calls += 1
        keys = _mix(self.keys + _signed(self.num_calls * _GOLDEN))[crystal_of_row]
        rows = torch.arange(len(crystal_of_row), device=keys.device)
        row_in_crystal = rows - torch.searchsorted(crystal_of_row, crystal_of_row)
        width = math.prod(shape)
        counter = 1 + row_in_crystal[:, None] * width + torch.arange(width, device=keys.device)
        bits = _mix(keys[:, None] + counter * _GOLDEN)
        uniform = (_shift(bits, 12).double() + 0.5) * 2.0**-52
        return torch.special.ndtri(uniform).to(torch.get_default_dtype()).reshape(-1, *shape)


def _signed(constant: int) -> int:
    """The number that `torch.int64` makes of the low 64 bits."""
    return (constant + 2**63) % 2**64 - 2**63


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _shift(bits: Int[Tensor, "*shape"], places: int) -> Int[Tensor, "*shape"]:
    """Shift right, filling with zeros."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _mix(bits: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """The finaliser of SplitMix64: every bit of the result depends on every bit given."""
    bits = (bits ^ _shift(bits, 30)) * _FIRST
    bits = (bits ^ _shift(bits, 27)) * _SECOND
    return bits ^ _shift(bits, 31)
