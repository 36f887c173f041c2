"""Sampling by tables: quantiles of a distribution at equal distances of normal noise, joined by chords.

There is no rejection, hence no synchronisation of a GPU, and it costs little more than the noise itself.
"""

import math
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

REACH = 5.5
NUM_INTERVALS = 128
NUM_CONCENTRATIONS = 257
LARGEST_CONCENTRATION = 1e5


def normal_nodes() -> Float[Tensor, " nodes"]:
    """The normal noise at which quantiles are tabulated."""
    return torch.linspace(-REACH, REACH, NUM_INTERVALS + 1, dtype=torch.float64)


def chords(values: Float[Tensor, "rows columns"], dim: int) -> Float[Tensor, "rows columns"]:
    """The nodes of chords that have, over two neighbouring intervals, the mean of the curve through `values`.

    A chord over an interval h misses the curve f by h²f''/12 on average, a bias that a thousand updates would add up.
    """
    bend = torch.diff(values, n=2, dim=dim) / 12
    return values - nn.functional.pad(bend, (1, 1) if dim == 1 else (0, 0, 1, 1))


def interpolate(
    table: Float[Tensor, "rows nodes"], row: Int[Tensor, "*#shape"], normal: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """The values of a table's rows where the normal noise is `normal`."""
    place = (normal.clamp(-REACH, REACH) + REACH) * (NUM_INTERVALS / (2 * REACH))
    interval = place.long().clamp(max=NUM_INTERVALS - 1)
    entry = row * (NUM_INTERVALS + 1) + interval
    low, high = table.take(entry), table.take(entry + 1)
    return low + (place - interval) * (high - low)


class QuantileTable(nn.Module):
    """Samples von Mises distributions of mean 0 and any concentration.

    The quantiles δ = F⁻¹(Φ(z)), times √(1 + κ), are tabulated over z and ln(1 + κ), in which they are smooth: at κ = 0
    they are π erf(z/√2), and at large κ they are z. The probability below an angle is right to 2e-4.
    """

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.register_buffer("scaled", _scaled_quantiles().to(dtype or torch.get_default_dtype()), persistent=False)

    scaled: Tensor

    def forward(
        self, normal: Float[Tensor, "*shape"], concentration: Float[Tensor, "*#shape"]
    ) -> Float[Tensor, "*shape"]:
        """Angles in [−π, π], distributed as the concentrations say when `normal` is N(0, 1)."""
        place = torch.log1p(concentration) * ((NUM_CONCENTRATIONS - 1) / math.log1p(LARGEST_CONCENTRATION))
        row = place.long().clamp(max=NUM_CONCENTRATIONS - 2)
        low, high = interpolate(self.scaled, row, normal), interpolate(self.scaled, row + 1, normal)
        scaled = low + (place - row).clamp(max=1) * (high - low)
        return (scaled / torch.sqrt(1 + concentration)).clamp(-math.pi, math.pi)


@cache
def _scaled_quantiles() -> Float[Tensor, "concentrations nodes"]:
    log_concentration = torch.linspace(0, math.log1p(LARGEST_CONCENTRATION), NUM_CONCENTRATIONS, dtype=torch.float64)
    concentration = torch.expm1(log_concentration)
    lower = lower_quantiles(concentration, torch.special.ndtr(normal_nodes()[: NUM_INTERVALS // 2 + 1]))
    quantiles = torch.cat([lower, -lower[:, :-1].flip(-1)], -1)
    return chords(chords(quantiles * torch.sqrt(1 + concentration)[:, None], dim=1), dim=0)


def lower_quantiles(
    concentration: Float[Tensor, " distributions"], probability: Float[Tensor, " quantiles"], num_cells: int = 2048
) -> Float[Tensor, "distributions quantiles"]:
    """The angles in [−π, 0] below which each distribution has these probabilities, at most ½ and increasing.

    The density is integrated by two-point Gauss–Legendre quadrature over cells of twelve standard deviations.
    """
    reach = (12 / torch.sqrt(concentration)).clamp(max=math.pi)[:, None]
    edges = torch.linspace(-1, 0, num_cells + 1, dtype=torch.float64)
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
