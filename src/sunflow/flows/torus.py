"""The Bayesian flow of angles: beliefs are von Mises distributions. Nothing else in the package knows of angles."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.flows.bayesian_flow import BayesianFlow
from sunflow.flows.noise import Draw
from sunflow.flows.von_mises import QuantileTable, bessel_ratio

#: From so many steps on, only the first observations of a flow are simulated one by one; the sum of the others is
#: normal to within what 10⁴ samples can tell.
NUM_STEPS_OF_LIMIT = 500
NUM_OBSERVATIONS_BEFORE_LIMIT = 20


def wrap(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same angle in [−π, π]."""
    return angle - 2 * math.pi * torch.round(angle / (2 * math.pi))


def to_angles(frac_coords: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Fractional coordinates as angles; ½ becomes 0."""
    return 2 * math.pi * (frac_coords - 0.5)


def to_frac_coords(angle: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Angles as fractional coordinates in [0, 1); rounding never gives 1."""
    frac_coords = torch.remainder(angle / (2 * math.pi) + 0.5, 1)
    return torch.where(frac_coords == 1, 0, frac_coords)


class VonMisesBelief(NamedTuple):
    """Von Mises distributions, one per angle.

    Attributes:
        mean: (rows, *shape), in [−π, π].
        concentration: (rows, *shape), 0 for the uniform distribution.
    """

    mean: Tensor
    concentration: Tensor


class VonMisesFlow(BayesianFlow[VonMisesBelief]):
    """Von Mises beliefs whose concentration need not grow, for accuracies do not add on a circle (CrysBFN, section 4).

    As a complex number c·exp(im), a belief is the sum of its observations α·exp(iy). Of w_j = α_j A(α_j) and
    S_i = Σ w_j, the cosine sum of i observations of 0 has mean S_i, and the sine sum has variance S_i.

    Args:
        accuracies: Concentration of the sender at every step.
        shape: Of one row.
    """

    def __init__(self, accuracies: Float[Tensor, " steps"], shape: tuple[int, ...]) -> None:
        super().__init__()
        accuracies = accuracies.double()
        self.num_steps = len(accuracies)
        self.shape = shape
        limit = self.num_steps >= NUM_STEPS_OF_LIMIT
        self.num_exact = NUM_OBSERVATIONS_BEFORE_LIMIT if limit else self.num_steps
        length = bessel_ratio(accuracies)
        variance = accuracies**2 * (1 - length**2) - accuracies * length
        self._keep("accuracies", accuracies)
        self._keep("weights", accuracies * length)
        self._keep("rest_mean", self._rest(accuracies * length))
        self._keep("rest_variance", self._rest(variance))
        self.table = QuantileTable(accuracies)

    accuracies: Tensor
    weights: Tensor
    rest_mean: Tensor
    rest_variance: Tensor

    def _keep(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.to(torch.get_default_dtype()), persistent=False)

    def _rest(self, per_step: Float[Tensor, " steps"]) -> Float[Tensor, " counts"]:
        """Sums over those of the first 0 … n observations that are not simulated one by one."""
        simulated = torch.arange(self.num_steps, device=per_step.device) < self.num_exact
        return torch.nn.functional.pad(per_step.masked_fill(simulated, 0).cumsum(0), (1, 0))

    def prior(self, num_rows: int, draw: Draw) -> VonMisesBelief:
        """Uniform, with a random mean: the network sees some angle even where nothing is known."""
        mean = _uniform_angle(draw(*self.shape))
        return VonMisesBelief(mean, torch.zeros_like(mean))

    def sample_flow(
        self, x: Float[Tensor, "rows ..."], num_observations: Int[Tensor, " rows"], draw: Draw
    ) -> VonMisesBelief:
        """Add all observations at once, for x = 0, then turn by x (CrysBFN, eq. 15)."""
        count = num_observations.reshape(-1, *[1] * (x.ndim - 1))
        cosine_sum, sine_sum = self._sum_of_observations(count, draw)
        prior = self.prior(len(x), draw)
        mean = torch.where(count == 0, prior.mean, wrap(x + torch.atan2(sine_sum, cosine_sum)))
        return VonMisesBelief(mean, torch.hypot(cosine_sum, sine_sum))

    def _sum_of_observations(self, count: Int[Tensor, "rows ..."], draw: Draw) -> tuple[Tensor, Tensor]:
        """Cosine and sine sums, each (rows, *shape), of the first `count` observations of 0."""
        step = torch.arange(self.num_exact, device=count.device)
        error = self.table(draw(*self.shape, self.num_exact), step)
        accuracy = torch.where(step < count[..., None], self.accuracies[: self.num_exact], 0)
        cosine_sum = (accuracy * torch.cos(error)).sum(-1)
        sine_sum = (accuracy * torch.sin(error)).sum(-1)
        if self.num_exact == self.num_steps:
            return cosine_sum, sine_sum
        mean, variance = self.rest_mean[count], self.rest_variance[count]
        cosine_rest = mean + torch.sqrt(variance) * draw(*self.shape)
        return cosine_sum + cosine_rest, sine_sum + torch.sqrt(mean) * draw(*self.shape)

    def update(
        self, belief: VonMisesBelief, x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> VonMisesBelief:
        """Bayes' rule: add an observation as a vector (CrysBFN, eq. 8)."""
        index = (step - 1).reshape(-1, *[1] * (x_hat.ndim - 1))
        observation = x_hat + self.table(draw(*self.shape), index)
        return add_observation(belief, observation, self.accuracies[index])

    def loss(
        self, x: Float[Tensor, "rows ..."], x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """The weight n α_i A(α_i) times the squared shortest angle, averaged over the angles of a row.

        This is the published code's; for small angles twice the Kullback–Leibler divergence of CrysBFN, eq. 18.
        """
        return self.num_steps * self.weights[step - 1] * wrap(x - x_hat).square().reshape(len(x), -1).mean(-1)


def add_observation(
    belief: VonMisesBelief, observation: Float[Tensor, "*shape"], accuracy: Float[Tensor, "*#shape"]
) -> VonMisesBelief:
    """c'·exp(im') = c·exp(im) + α·exp(iy) (CrysBFN, eq. 8)."""
    mean, concentration = belief
    cosine_sum = concentration * torch.cos(mean) + accuracy * torch.cos(observation)
    sine_sum = concentration * torch.sin(mean) + accuracy * torch.sin(observation)
    return VonMisesBelief(torch.atan2(sine_sum, cosine_sum), torch.hypot(cosine_sum, sine_sum))


def _uniform_angle(normal: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Angles that are uniform in [−π, π] where `normal` is N(0, 1)."""
    return math.pi * torch.erf(normal / math.sqrt(2))
