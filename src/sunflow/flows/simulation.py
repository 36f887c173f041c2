"""Two ways to simulate the beliefs about an angle after some observations of 0."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.flows.concentration_law import log_concentration_table
from sunflow.flows.noise import Draw
from sunflow.flows.quantiles import QuantileTable, interpolate
from sunflow.flows.von_mises_belief import VonMisesBelief, add_observation, uniform_belief


class Simulation(nn.Module, ABC):
    """Beliefs after observations of 0.

    Args:
        accuracies: Concentration of the sender at every step.
        table: The von Mises distributions.
    """

    @abstractmethod
    def __init__(self, accuracies: Float[Tensor, " steps"], table: QuantileTable) -> None:
        super().__init__()
        self.table = table

    @abstractmethod
    def forward(self, count: Int[Tensor, "rows ..."], shape: tuple[int, ...], draw: Draw) -> VonMisesBelief:
        """Beliefs (rows, *shape) after the first `count` observations; without any, the mean is uniform."""


class DirectSimulation(Simulation):
    """Draws the concentration from its own law and then the phase, which is von Mises of that concentration.

    This takes two numbers per angle, however many observations there are. The published code adds all observations up
    (CrysBFN, eq. 15); the beliefs have the same distribution.
    """

    def __init__(self, accuracies: Float[Tensor, " steps"], table: QuantileTable) -> None:
        super().__init__(accuracies, table)
        log_concentration = log_concentration_table(accuracies).to(torch.get_default_dtype())
        self.register_buffer("log_concentration", log_concentration, persistent=False)

    log_concentration: Tensor

    def forward(self, count: Int[Tensor, "rows ..."], shape: tuple[int, ...], draw: Draw) -> VonMisesBelief:
        """One draw each of concentration and phase."""
        of_concentration, of_phase = draw(*shape, 2).unbind(-1)
        concentration = torch.exp(interpolate(self.log_concentration, count, of_concentration))
        return VonMisesBelief(self.table(of_phase, concentration), concentration)


class IteratedSimulation(Simulation):
    """Adds one observation after another by Bayes' rule: what the direct simulation is held against (table 8)."""

    def __init__(self, accuracies: Float[Tensor, " steps"], table: QuantileTable) -> None:
        super().__init__(accuracies, table)
        self.register_buffer("accuracies", accuracies.to(torch.get_default_dtype()), persistent=False)

    accuracies: Tensor

    def forward(self, count: Int[Tensor, "rows ..."], shape: tuple[int, ...], draw: Draw) -> VonMisesBelief:
        """One draw for the prior and one per step."""
        belief = uniform_belief(draw(*shape))
        for step, accuracy in enumerate(self.accuracies):
            updated = add_observation(belief, self.table(draw(*shape), accuracy), accuracy)
            belief = VonMisesBelief(*(torch.where(step < count, *pair) for pair in zip(updated, belief, strict=True)))
        return belief


SIMULATIONS: dict[str, type[Simulation]] = {"direct": DirectSimulation, "iterated": IteratedSimulation}
