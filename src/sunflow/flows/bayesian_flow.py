"""What the Bayesian flow of every manifold offers."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.flows.noise import Draw

Belief = TypeVar("Belief")


class BayesianFlow(nn.Module, ABC, Generic[Belief]):
    """How a belief about x sharpens as ever more accurate noisy observations of x arrive.

    A belief holds the parameters of an input distribution (Graves et al., 2023) for every row. Steps are
    1 … `num_steps` and given per row; `draw` is the only source of randomness.
    """

    num_steps: int

    @abstractmethod
    def prior(self, num_rows: int, draw: Draw) -> Belief:
        """The belief before any observation."""

    @abstractmethod
    def sample_flow(self, x: Float[Tensor, "rows ..."], num_observations: Int[Tensor, " rows"], draw: Draw) -> Belief:
        """The belief after the first `num_observations` (0 … `num_steps`) noisy observations of `x`."""

    @abstractmethod
    def update(
        self, belief: Belief, x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> Belief:
        """The belief after one more observation, that of `step`, of the estimate `x_hat`."""

    @abstractmethod
    def loss(
        self, x: Float[Tensor, "rows ..."], x_hat: Float[Tensor, "rows ..."], step: Int[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, " rows"]:
        """The part of `step` in the expected cost of transmitting `x`, times `num_steps`.

        Where that cost is an expectation without a closed form, `draw` estimates it.
        """
