"""Accuracies of the sender that make the entropy of a von Mises belief fall linearly (CrysBFN, section 4.1)."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sunflow.flows.torus import VonMisesBelief, add_observation
from sunflow.flows.von_mises import QuantileTable, entropy

NUM_BISECTIONS = 64


def accuracy_schedule(kind: str, num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """The accuracies of all steps, in double precision.

    Args:
        kind: A key of `SCHEDULES`.
        num_steps: How many observations there are.
        final_accuracy: Concentration of the belief after all of them, β₁.

    Raises:
        ValueError: An argument is unknown or out of range.
    """
    if kind not in SCHEDULES:
        raise ValueError(f"{kind!r} is no accuracy schedule: known are {', '.join(SCHEDULES)}")
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}, but must be at least 1")
    if not 1 <= final_accuracy <= 1e5:
        raise ValueError(f"final_accuracy is {final_accuracy}, but must lie between 1 and 100000")
    return SCHEDULES[kind](num_steps, final_accuracy)


def target_concentrations(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """Concentrations whose entropies lie on a straight line from the uniform belief to the last (CrysBFN, eq. 56)."""
    time = torch.arange(1, num_steps + 1).double() / num_steps
    last = torch.tensor(final_accuracy, dtype=torch.float64)
    wanted = (1 - time) * math.log(2 * math.pi) + time * entropy(last)
    return _bisect(lambda concentration: wanted - entropy(concentration), torch.zeros_like(time), last.expand_as(time))


def official_accuracies(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """The published search: each step takes a belief that sits on its target to the next target, in expectation.

    The published code estimates E|c + α·exp(iδ)|, δ ~ vM(0, α), by noisy sampling; here it is integrated.
    """
    targets = target_concentrations(num_steps, final_accuracy)
    before = torch.cat([torch.zeros(1, dtype=torch.float64), targets[:-1]])
    return _bisect(
        lambda accuracy: _expected_concentration(before, accuracy) - targets,
        targets - before,
        torch.full_like(targets, final_accuracy),
    )


def _bisect(
    function: Callable[[Tensor], Tensor], low: Float[Tensor, " steps"], high: Float[Tensor, " steps"]
) -> Float[Tensor, " steps"]:
    """The roots of an increasing function, all at once."""
    for _ in range(NUM_BISECTIONS):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _expected_concentration(
    before: Float[Tensor, " steps"], accuracy: Float[Tensor, " steps"], num_nodes: int = 128
) -> Float[Tensor, " steps"]:
    """E|c + α·exp(iδ)| for δ ~ vM(0, α), by Gauss–Legendre quadrature over twelve standard deviations."""
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(num_nodes))
    reach = (12 / torch.sqrt(accuracy)).clamp(max=math.pi)[:, None]
    half_sine = torch.sin(reach * (nodes + 1) / 4) ** 2
    accuracy, before = accuracy[:, None], before[:, None]
    density = weights * torch.exp(-2 * accuracy * half_sine)
    concentration = torch.sqrt((before + accuracy) ** 2 - 4 * before * accuracy * half_sine)
    return (density * concentration).sum(-1) / density.sum(-1)


def expected_entropies(
    accuracies: Float[Tensor, " steps"], num_particles: int = 16384, seed: int = 0
) -> Float[Tensor, " steps"]:
    """E[H(c_i)] of the flow itself after every step, in nats, by simulation.

    The particles are updated one observation at a time; at each step their noise is stratified, one particle per
    stratum in random order, which leaves a standard error below 0.003.
    """
    generator = torch.Generator().manual_seed(seed)
    table = QuantileTable(accuracies).double()
    strata = torch.arange(num_particles).double()
    belief = VonMisesBelief(torch.zeros(num_particles).double(), torch.zeros(num_particles).double())
    entropies = []
    for step, accuracy in enumerate(accuracies):
        place = strata[torch.randperm(num_particles, generator=generator)]
        place = place + torch.rand(num_particles, generator=generator, dtype=torch.float64)
        normal = torch.special.ndtri((place / num_particles).clamp(1e-12, 1 - 1e-12))
        belief = add_observation(belief, table(normal, torch.tensor(step)), accuracy)
        entropies.append(entropy(belief.concentration).mean())
    return torch.stack(entropies)


SCHEDULES: dict[str, Callable[[int, float], Float[Tensor, " steps"]]] = {"official": official_accuracies}
