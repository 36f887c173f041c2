"""The Bayesian flow of real numbers: beliefs are normal distributions."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.flows.bayesian_flow import BayesianFlow
from sunflow.flows.noise import Draw


class GaussianBelief(NamedTuple):
    """Normal distributions, one per entry.

    Attributes:
        mean: (rows, *shape).
        precision: (rows,) inverse variance, the same for all entries of a row.
    """

    mean: Tensor
    precision: Tensor


def denoised(belief: GaussianBelief, noise: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
    """The estimate x̂ = μ/γ − √((1 − γ)/γ) ε from the noise ε in a belief; 0 if nothing is known (SymmBFN, eq. 14)."""
    gamma = _per_row(1 - 1 / belief.precision, noise)
    known = gamma > 0
    gamma = torch.where(known, gamma, 1)
    return torch.where(known, (belief.mean - torch.sqrt(gamma * (1 - gamma)) * noise) / gamma, 0)


class GaussianFlow(BayesianFlow[GaussianBelief]):
    """Normal beliefs that sharpen from variance 1 to `final_std`² (Graves et al., 2023, section 4).

    Args:
        num_steps: How many observations there are.
        final_std: Standard deviation of the belief after all of them, σ₁ < 1.
        shape: Of one row.
    """

    def __init__(self, num_steps: int, final_std: float, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.shape = shape
        precision = torch.exp(-2 * math.log(final_std) * torch.arange(num_steps + 1).double() / num_steps)
        self.register_buffer("precision", precision.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("accuracy", precision.diff().to(torch.get_default_dtype()), persistent=False)

    precision: Tensor
    accuracy: Tensor

    def prior(self, num_rows: int, draw: Draw) -> GaussianBelief:
        """Mean 0 and variance 1."""
        return GaussianBelief(self.precision.new_zeros(num_rows, *self.shape), self.precision.new_ones(num_rows))

    def sample_flow(
        self, x: Float[Tensor, "rows ..."], num_observations: Int[Tensor, " rows"], draw: Draw
    ) -> GaussianBelief:
        """Means drawn from N(γx, γ(1 − γ)) with γ = 1 − σ₁^(2t)."""
        precision = self.precision[num_observations]
        gamma = _per_row(1 - 1 / precision, x)
        return GaussianBelief(gamma * x + torch.sqrt(gamma * (1 - gamma)) * draw(*self.shape), precision)

    def update(
        self, belief: GaussianBelief, x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> GaussianBelief:
        """Bayes' rule: the mean of belief and observation, weighted by their precisions."""
        accuracy = self.accuracy[step - 1]
        precision = belief.precision + accuracy
        observation = x_hat + draw(*self.shape) / torch.sqrt(_per_row(accuracy, x_hat))
        weight = _per_row(accuracy / precision, x_hat)
        return GaussianBelief((1 - weight) * belief.mean + weight * observation, precision)

    def loss(
        self, x: Float[Tensor, "rows ..."], x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, " rows"]:
        """The weight n α_i / 2 = n/2 σ₁^(−2i/n) (1 − σ₁^(2/n)) times the squared error, averaged over a row."""
        return self.num_steps * self.accuracy[step - 1] / 2 * (x - x_hat).square().reshape(len(x), -1).mean(-1)


def _per_row(value: Float[Tensor, " rows"], like: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
    """One value per row, with as many axes as `like`."""
    return value.reshape(-1, *[1] * (like.ndim - 1))
