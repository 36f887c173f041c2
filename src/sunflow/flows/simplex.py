"""The Bayesian flow of classes: beliefs are categorical distributions."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.flows.bayesian_flow import BayesianFlow
from sunflow.flows.noise import Draw


class CategoricalBelief(NamedTuple):
    """Categorical distributions, one per row.

    Attributes:
        logits: (rows, types); kept instead of probabilities so that no class is ever lost to underflow.
    """

    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """(rows, types), summing to 1."""
        return torch.softmax(self.logits, -1)


#: Draws per row that estimate the discrete loss.
NUM_DRAWS = 4


class CategoricalFlow(BayesianFlow[CategoricalBelief]):
    """Categorical beliefs with accumulated accuracy β(t) = β₁t² (Graves et al., 2023, section 6).

    `x` is one-hot, or the probabilities of a soft estimate.

    Args:
        num_steps: How many observations there are.
        final_accuracy: β₁.
        num_types: Number of classes K.
        loss: "continuous", the published code's, or "discrete", the paper's.

    Raises:
        ValueError: The loss is unknown.
    """

    def __init__(self, num_steps: int, final_accuracy: float, num_types: int, *, loss: str = "continuous") -> None:
        super().__init__()
        losses = {"continuous": self._continuous_loss, "discrete": self._discrete_loss}
        if loss not in losses:
            raise ValueError(f"{loss!r} is no loss of classes: known are {', '.join(losses)}")
        self._loss = losses[loss]
        self.num_steps = num_steps
        self.num_types = num_types
        accumulated = final_accuracy * (torch.arange(num_steps + 1).double() / num_steps) ** 2
        self.final_accuracy = final_accuracy
        self.register_buffer("accumulated", accumulated.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("accuracy", accumulated.diff().to(torch.get_default_dtype()), persistent=False)

    accumulated: Tensor
    accuracy: Tensor

    def prior(self, num_rows: int, draw: Draw) -> CategoricalBelief:
        """All classes equally likely."""
        return CategoricalBelief(self.accuracy.new_zeros(num_rows, self.num_types))

    def sample_flow(
        self, x: Float[Tensor, "rows types"], num_observations: Int[Tensor, " rows"], draw: Draw
    ) -> CategoricalBelief:
        """Logits drawn from N(β(Kx − 1), βK)."""
        return CategoricalBelief(self._observe(x, self.accumulated[num_observations], draw))

    def update(
        self, belief: CategoricalBelief, x_hat: Float[Tensor, "rows types"], step: Int[Tensor, " rows"], draw: Draw
    ) -> CategoricalBelief:
        """Bayes' rule for an observation of a class drawn from `x_hat`: the logits add."""
        one_hot = torch.eye(self.num_types, dtype=x_hat.dtype, device=x_hat.device)[draw_class(x_hat, draw)]
        return CategoricalBelief(belief.logits + self._observe(one_hot, self.accuracy[step - 1], draw))

    def _observe(
        self, x: Float[Tensor, "rows types"], accuracy: Float[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, "rows types"]:
        """A sender's sample, from N(α(Kx − 1), αK)."""
        accuracy = accuracy[:, None]
        spread = torch.sqrt(accuracy * self.num_types)
        return accuracy * (self.num_types * x - 1) + spread * draw(self.num_types)

    def loss(
        self, x: Float[Tensor, "rows types"], x_hat: Float[Tensor, "rows types"], step: Int[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, " rows"]:
        """The cost of the class of `x` in nats, in the limit of infinitely many steps or for the steps there are."""
        return self._loss(x, x_hat, step, draw)

    def _continuous_loss(
        self, x: Float[Tensor, "rows types"], x_hat: Float[Tensor, "rows types"], step: Int[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, " rows"]:
        """K β₁ t ‖x − x̂‖² at t = (i − 1)/n, without noise (Graves et al., 2023, section 6)."""
        time = (step - 1) / self.num_steps
        return self.num_types * self.final_accuracy * time * (x - x_hat).square().sum(-1)

    def _discrete_loss(
        self, x: Float[Tensor, "rows types"], x_hat: Float[Tensor, "rows types"], step: Int[Tensor, " rows"], draw: Draw
    ) -> Float[Tensor, " rows"]:
        """−n E ln Σ_k x̂_k exp(y_k − y_a) for the class a of `x` and the sender's y (CrysBFN, eq. 24), by few draws."""
        observed = torch.stack([self._observe(x, self.accuracy[step - 1], draw) for _ in range(NUM_DRAWS)])
        of_class = (observed * x).sum(-1, keepdim=True)
        log_x_hat = torch.log(x_hat.clamp(min=torch.finfo(x_hat.dtype).tiny))
        return -self.num_steps * torch.logsumexp(log_x_hat + observed - of_class, -1).mean(0)


def draw_class(probabilities: Float[Tensor, "rows types"], draw: Draw) -> Int[Tensor, " rows"]:
    """A class per row, by its probability; rows that are not finite give some class without an error."""
    cumulative = probabilities.double().cumsum(-1)
    uniform = torch.special.ndtr(draw(1).double())
    return (cumulative < uniform * cumulative[:, -1:]).sum(-1).clamp(max=probabilities.shape[-1] - 1)
