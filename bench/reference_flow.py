"""A plain flow of angles to measure against: all observations, each drawn by rejection in double precision."""

import torch
from torch import Tensor

from sunflow.flows.noise import Draw
from sunflow.flows.quantiles import QuantileTable
from sunflow.flows.simulation import Simulation
from sunflow.flows.von_mises_belief import VonMisesBelief, uniform_belief


class RejectionSimulation(Simulation):
    """The sums of the first observations, up to the largest count that is asked for, as the published code takes them.

    The noise comes from PyTorch's own stream.
    """

    def __init__(self, accuracies: Tensor, table: QuantileTable) -> None:
        super().__init__(accuracies, table)
        self.accuracies = accuracies.double()

    def forward(self, count: Tensor, shape: tuple[int, ...], draw: Draw) -> VonMisesBelief:
        """Beliefs about 0."""
        accuracies = self.accuracies[: int(count.max())]
        observation = torch.distributions.VonMises(torch.zeros(len(count), *shape, 1).double(), accuracies).sample()
        sums = [(accuracies * part(observation)).cumsum(-1) for part in (torch.cos, torch.sin)]
        last = (count - 1).clamp(min=0).expand(len(count), *shape)[..., None]
        cosine_sum, sine_sum = (each.gather(-1, last)[..., 0].float() for each in sums)
        prior = uniform_belief(draw(*shape))
        mean = torch.where(count == 0, prior.mean, torch.atan2(sine_sum, cosine_sum))
        return VonMisesBelief(mean, torch.where(count == 0, 0, torch.hypot(cosine_sum, sine_sum)))
