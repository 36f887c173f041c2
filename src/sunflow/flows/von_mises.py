"""The von Mises distribution, stable for concentrations from 1e-6 to 1e5.

The modified Bessel functions overflow double precision beyond 700, so all formulas use their scaled forms i0e and i1e.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def bessel_ratio(concentration: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A(κ) = I₁(κ)/I₀(κ), the mean resultant length of the distribution."""
    return torch.special.i1e(concentration) / torch.special.i0e(concentration)


def entropy(concentration: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """H(κ) = ln 2πI₀(κ) − κA(κ), in nats; needs double precision where κ is large."""
    scaled = torch.special.i0e(concentration)
    ratio = torch.special.i1e(concentration) / scaled
    return math.log(2 * math.pi) + torch.log(scaled) + concentration * (1 - ratio)


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
