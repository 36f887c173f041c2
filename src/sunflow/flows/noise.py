"""Where the random numbers of a flow come from: one stream per crystal.

All randomness is standard normal; flows on other manifolds transform it.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Called with the shape of one row, draws standard normal numbers for all rows of a field: `draw(3)` is (rows, 3).
Draw = Callable[..., Tensor]


class CrystalNoise:
    """Standard normal numbers for rows, such as atoms, that belong to crystals.

    The numbers are a function of (seed of the crystal, call, row within the crystal, place in the row), computed for
    all crystals at once by the SplitMix64 mixing of a counter (Steele, Lea & Flood, OOPSLA 2014). So a crystal's
    numbers do not depend on the batch it is in, no crystal needs a generator of its own, and all devices draw the
    same numbers.

    Args:
        seeds: One per crystal.
        device: Where the numbers are drawn.
    """

    def __init__(self, seeds: Sequence[int] | Int[Tensor, " crystals"], device: torch.device | str = "cpu") -> None:
        self.keys = _mix(torch.as_tensor(seeds, dtype=torch.int64, device=device))
        self.num_calls = 0

    @classmethod
    def of_batch(cls, seed: int, places: Int[Tensor, " crystals"]) -> "CrystalNoise":
        """A stream for every place in the batch of this seed."""
        return cls(_mix(places * _GOLDEN) + _signed(seed), places.device)

    def normal(self, crystal_of_row: Int[Tensor, " rows"], *shape: int) -> Float[Tensor, "rows ..."]:
        """Fresh numbers, of this shape for every row; the rows of a crystal stand together, in order."""
        keys = self._fresh_keys()[crystal_of_row]
        rows = torch.arange(len(crystal_of_row), device=keys.device)
        row_in_crystal = rows - torch.searchsorted(crystal_of_row, crystal_of_row)
        width = math.prod(shape)
        counter = 1 + row_in_crystal[:, None] * width + torch.arange(width, device=keys.device)
        uniform = _uniform(_mix(keys[:, None] + counter * _GOLDEN))
        return torch.special.ndtri(uniform).to(torch.get_default_dtype()).reshape(-1, *shape)

    def steps(self, num_steps: int) -> Int[Tensor, " crystals"]:
        """One step of 1 … `num_steps` per crystal, all equally likely."""
        return 1 + (_uniform(_mix(self._fresh_keys() + _GOLDEN)) * num_steps).long()

    def _fresh_keys(self) -> Int[Tensor, " crystals"]:
        """What the numbers of the next call are made from."""
        self.num_calls += 1
        return _mix(self.keys + _signed(self.num_calls * _GOLDEN))


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


def _uniform(bits: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Numbers in (0, 1), in double precision."""
    return (_shift(bits, 12).double() + 0.5) * 2.0**-52
