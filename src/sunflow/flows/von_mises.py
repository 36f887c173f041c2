"""The von Mises distribution, stable for concentrations from 1e-6 to 1e5.

The modified Bessel functions overflow double precision beyond 700, so all formulas use their scaled forms i0e and i1e.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def bessel_ratio(concentration: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A(κ) = I₁(κ)/I₀(κ), the mean resultant length of the distribution."""
    return torch.special.i1e(concentration) / torch.special.i0e(concentration)


def entropy(concentration: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """H(κ) = ln 2πI₀(κ) − κA(κ), in nats; needs double precision where κ is large."""
    scaled = torch.log(torch.special.i0e(concentration))
    return math.log(2 * math.pi) + scaled + concentration * (1 - bessel_ratio(concentration))


def kl_divergence(
    mean: Float[Tensor, "*shape"],
    concentration: Float[Tensor, "*shape"],
    other_mean: Float[Tensor, "*shape"],
    other_concentration: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    """How many nats it costs to code samples of the first distribution by the second."""
    scaled = torch.log(torch.special.i0e(other_concentration) / torch.special.i0e(concentration))
    overlap = concentration - other_concentration * torch.cos(mean - other_mean)
    return scaled + other_concentration - concentration + bessel_ratio(concentration) * overlap


class QuantileTable(nn.Module):
    """Samples von Mises distributions of mean 0 by tabulated quantiles of normal noise.

    δ = F⁻¹(Φ(z)) is tabulated at equal distances of z and interpolated linearly. There is no rejection, hence no
    synchronisation of a GPU, and it costs little more than the noise itself.

    Args:
        concentrations: One distribution per entry, between 1e-6 and 1e5.
    """

    REACH = 5.5
    NUM_INTERVALS = 128

    def __init__(self, concentrations: Float[Tensor, " distributions"]) -> None:
        super().__init__()
        half = self.NUM_INTERVALS // 2
        normal = torch.linspace(-self.REACH, 0, half + 1, dtype=torch.float64, device=concentrations.device)
        lower = lower_quantiles(concentrations.double(), torch.special.ndtr(normal))
        quantiles = torch.cat([lower, -lower[:, :-1].flip(-1)], -1).to(torch.get_default_dtype())
        self.register_buffer("quantiles", quantiles, persistent=False)

    quantiles: Tensor

    def forward(self, normal: Float[Tensor, "*shape"], index: Int[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
        """Angles in [−π, π], distributed as the entries `index` of the concentrations when `normal` is N(0, 1)."""
        place = (normal.clamp(-self.REACH, self.REACH) + self.REACH) * (self.NUM_INTERVALS / (2 * self.REACH))
        interval = place.long().clamp(max=self.NUM_INTERVALS - 1)
        entry = index * (self.NUM_INTERVALS + 1) + interval
        low, high = self.quantiles.take(entry), self.quantiles.take(entry + 1)
        return low + (place - interval) * (high - low)


def lower_quantiles(
    concentration: Float[Tensor, " distributions"], probability: Float[Tensor, " quantiles"], num_cells: int = 2048
) -> Float[Tensor, "distributions quantiles"]:
    """The angles in [−π, 0] below which each distribution has these probabilities, at most ½ and increasing.

    The density is integrated by two-point Gauss–Legendre quadrature over cells of twelve standard deviations.
    """
    reach = (12 / torch.sqrt(concentration)).clamp(max=math.pi)[:, None]
    edges = torch.linspace(-1, 0, num_cells + 1, dtype=torch.float64, device=concentration.device)
    offset = (edges[1] - edges[0]) / math.sqrt(12)
    middle = (edges[1:] + edges[:-1]) / 2
    density = sum(
        torch.exp(-2 * concentration[:, None] * torch.sin(reach * (middle + shift) / 2) ** 2)
        for shift in (-offset, offset)
    )
    cumulative = nn.functional.pad(torch.as_tensor(density).cumsum(-1), (1, 0))
    cumulative = cumulative / (2 * cumulative[:, -1:])
    upper = torch.searchsorted(cumulative, probability.expand(len(concentration), -1).contiguous())
    upper = upper.clamp(1, num_cells)
    below, above = cumulative.gather(1, upper - 1), cumulative.gather(1, upper)
    place = (upper - 1 + (probability - below) / (above - below)) / num_cells
    return reach * (place.clamp(0, 1) - 1)
