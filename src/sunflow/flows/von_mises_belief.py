"""Beliefs about angles, and how an observation changes them."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class VonMisesBelief(NamedTuple):
    """Von Mises distributions, one per angle.

    Attributes:
        mean: (rows, *shape), in [−π, π].
        concentration: (rows, *shape), 0 for the uniform distribution.
    """

    mean: Tensor
    concentration: Tensor


def add_observation(
    belief: VonMisesBelief, observation: Float[Tensor, "*shape"], accuracy: Float[Tensor, "*#shape"]
) -> VonMisesBelief:
    """c'·exp(im') = c·exp(im) + α·exp(iy) (CrysBFN, eq. 8)."""
    mean, concentration = belief
    cosine_sum = concentration * torch.cos(mean) + accuracy * torch.cos(observation)
    sine_sum = concentration * torch.sin(mean) + accuracy * torch.sin(observation)
    return VonMisesBelief(torch.atan2(sine_sum, cosine_sum), torch.hypot(cosine_sum, sine_sum))


def uniform_belief(normal: Float[Tensor, "*shape"]) -> VonMisesBelief:
    """Nothing is known; the means are uniform in [−π, π] where `normal` is N(0, 1)."""
    return VonMisesBelief(math.pi * torch.erf(normal / math.sqrt(2)), torch.zeros_like(normal))
