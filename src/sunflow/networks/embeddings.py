"""Numbers as vectors that a network can tell apart."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMALLEST_CONCENTRATION = 1e-7


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time in [0, 1], with wavelengths from 2π/1000 to 20π.

    Args:
        dim: Length of the vector, even and at least 4.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 4 or dim % 2:
            raise ValueError(f"time_dim is {dim}, but must be even and at least 4")
        half = dim // 2
        frequencies = 1000 * torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
        self.register_buffer("frequencies", frequencies, persistent=False)

    frequencies: Tensor

    def forward(self, time: Float[Tensor, " crystals"]) -> Float[Tensor, "crystals dim"]:
        """One vector per time."""
        phase = time[:, None] * self.frequencies
        return torch.cat([torch.sin(phase), torch.cos(phase)], -1)


class FourierFeatures(nn.Module):
    """sin kΔ and cos kΔ of every angle, for k = 0 … `num_frequencies` − 1: all that is periodic and smooth.

    Args:
        num_frequencies: How many frequencies there are.
    """

    def __init__(self, num_frequencies: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.arange(num_frequencies).float(), persistent=False)

    frequencies: Tensor

    def forward(self, angles: Float[Tensor, "edges axes"]) -> Float[Tensor, "edges features"]:
        """All sines (axis by axis), then all cosines."""
        phase = (angles[..., None] * self.frequencies).flatten(-2)
        return torch.cat([torch.sin(phase), torch.cos(phase)], -1)


def concentration_signal(concentration: Float[Tensor, "*shape"], largest: float) -> Float[Tensor, "*shape"]:
    """The logarithm of a concentration, scaled so that 0 becomes 0 and `largest` becomes 1."""
    lowest = math.log(SMALLEST_CONCENTRATION)
    return (torch.log(concentration + SMALLEST_CONCENTRATION) - lowest) / (math.log(largest) - lowest)
