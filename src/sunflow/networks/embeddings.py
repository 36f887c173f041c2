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


class PropertyEmbedding(nn.Module):
    """Sines and cosines of a standardised property, with wavelengths from 2π/10 to 20π; a learned vector for none.

    The wavelengths of a time, down to 2π/1000, tell values apart that mean the same, and are learned too slowly.

    Args:
        dim: Length of the vector, even and at least 4.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(-1, 1, dim // 2), persistent=False)
        self.none = nn.Parameter(torch.zeros(dim))

    frequencies: Tensor

    def forward(self, value: Float[Tensor, " crystals"]) -> Float[Tensor, "crystals dim"]:
        """One vector per value; one that is not a number asks for nothing."""
        asked = value.isfinite()
        phase = torch.where(asked, value, 0)[:, None] * self.frequencies
        waves = torch.cat([torch.sin(phase), torch.cos(phase)], -1)
        return torch.where(asked[:, None], waves, self.none)


class Context(nn.Module):
    """What all atoms of a crystal are told: the time, and the property that is asked for.

    Args:
        time_dim: Length of the time embedding.
        property_dim: Length of the embedding of the property; 0 where there is none to ask for.
    """

    def __init__(self, time_dim: int, property_dim: int = 0) -> None:
        super().__init__()
        self.time_embedding = TimeEmbedding(time_dim)
        self.property_embedding = PropertyEmbedding(property_dim) if property_dim else None

    def forward(
        self, time: Float[Tensor, " crystals"], target: Float[Tensor, " crystals"] | None
    ) -> Float[Tensor, "crystals context"]:
        """One vector per crystal.

        Args:
            time: In [0, 1].
            target: Standardised; not a number where nothing is asked for, None where nothing is asked for at all.
        """
        known = self.time_embedding(time)
        if self.property_embedding is None:
            return known
        asked = torch.full_like(time, math.nan) if target is None else target
        return torch.cat([known, self.property_embedding(asked)], -1)


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
