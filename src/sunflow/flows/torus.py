"""The Bayesian flow of angles: beliefs are von Mises distributions. Nothing else in the package knows of angles."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.flows.bayesian_flow import BayesianFlow
from sunflow.flows.noise import Draw
from sunflow.flows.quantiles import QuantileTable
from sunflow.flows.simulation import SIMULATIONS
from sunflow.flows.von_mises import bessel_ratio
from sunflow.flows.von_mises_belief import VonMisesBelief, add_observation, uniform_belief


def wrap(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same angle in [−π, π]; rounding never leaves it."""
    return (angle - 2 * math.pi * torch.round(angle / (2 * math.pi))).clamp(-math.pi, math.pi)


def to_angles(frac_coords: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Fractional coordinates as angles; ½ becomes 0."""
    return 2 * math.pi * (frac_coords - 0.5)


def to_frac_coords(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Angles as fractional coordinates in [0, 1); rounding never gives 1."""
    frac_coords = torch.remainder(angle / (2 * math.pi) + 0.5, 1)
    return torch.where(frac_coords == 1, 0, frac_coords)


def squared_shortest_angle(difference: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Δ², for Δ in [−π, π]: what the published code weights with n α A(α); for small Δ it is twice the divergence."""
    return wrap(difference).square()


def divergence(difference: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """1 − cos Δ: times α A(α), the Kullback–Leibler divergence of sender and receiver (CrysBFN, eq. 18)."""
    return 2 * torch.sin(difference / 2).square()


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {"wrapped_mse": squared_shortest_angle, "kl": divergence}


class VonMisesFlow(BayesianFlow[VonMisesBelief]):
    """Von Mises beliefs whose concentration need not grow, for accuracies do not add on a circle (CrysBFN, section 4).

    As a complex number c·exp(im), a belief is the sum of its observations α·exp(iy).

    Args:
        accuracies: Concentration of the sender at every step.
        shape: Of one row.
        loss: "wrapped_mse", the published code's, or "kl", the paper's.
        simulation: "direct", or "iterated" for one Bayesian update after another (CrysBFN, table 8).

    Raises:
        ValueError: The loss or the simulation is unknown.
    """

    def __init__(
        self,
        accuracies: Float[Tensor, " steps"],
        shape: tuple[int, ...],
        *,
        loss: str = "wrapped_mse",
        simulation: str = "direct",
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"{loss!r} is no loss of angles: known are {', '.join(LOSSES)}")
        if simulation not in SIMULATIONS:
            raise ValueError(f"{simulation!r} is no simulation of angles: known are {', '.join(SIMULATIONS)}")
        accuracies = accuracies.double()
        self.num_steps = len(accuracies)
        self.shape = shape
        self.distance = LOSSES[loss]
        self.table = QuantileTable()
        self.simulation = SIMULATIONS[simulation](accuracies, self.table)
        self.register_buffer("accuracies", accuracies.to(torch.get_default_dtype()), persistent=False)
        weights = accuracies * bessel_ratio(accuracies)
        self.register_buffer("weights", weights.to(torch.get_default_dtype()), persistent=False)

    accuracies: Tensor
    weights: Tensor

    def prior(self, num_rows: int, draw: Draw) -> VonMisesBelief:
        """Uniform, with a random mean: the network sees some angle even where nothing is known."""
        return uniform_belief(draw(*self.shape))

    def sample_flow(
        self, x: Float[Tensor, "rows ..."], num_observations: Int[Tensor, " rows"], draw: Draw
    ) -> VonMisesBelief:
        """Simulate for x = 0, then turn by x (CrysBFN, eq. 15)."""
        phase, concentration = self.simulation(_per_row(num_observations, x), self.shape, draw)
        return VonMisesBelief(wrap(x + phase), concentration)

    def update(
        self, belief: VonMisesBelief, x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> VonMisesBelief:
        """Bayes' rule: add an observation as a vector (CrysBFN, eq. 8)."""
        accuracy = self.accuracies[_per_row(step - 1, x_hat)]
        return add_observation(belief, x_hat + self.table(draw(*self.shape), accuracy), accuracy)

    def loss(
        self, x: Float[Tensor, "rows ..."], x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, " rows"]:
        """The weight n α_i A(α_i) times the distance of the angles, averaged over a row; without noise."""
        return self.num_steps * self.weights[step - 1] * self.distance(x - x_hat).reshape(len(x), -1).mean(-1)


def _per_row(value: Int[Tensor, " rows"], like: Float[Tensor, "rows ..."]) -> Int[Tensor, "rows ..."]:
    """One value per row, with as many axes as `like`."""
    return value.reshape(-1, *[1] * (like.ndim - 1))
