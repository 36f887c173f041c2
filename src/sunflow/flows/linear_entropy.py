"""Accuracies by which the entropy of a von Mises belief falls linearly, in three meanings of that phrase."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sunflow.flows.concentration_law import ConcentrationParticles
from sunflow.flows.root_finding import bisect, positive_root
from sunflow.flows.von_mises import bessel_ratio, entropy


def target_entropies(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """The straight line from the uniform belief to that of concentration β₁, in nats (CrysBFN, eq. 56)."""
    time = torch.arange(1, num_steps + 1).double() / num_steps
    return (1 - time) * math.log(2 * math.pi) + time * entropy(torch.tensor(final_accuracy, dtype=torch.float64))


def target_concentrations(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """Concentrations whose entropies lie on the straight line."""
    wanted = target_entropies(num_steps, final_accuracy)
    return bisect(lambda concentration: wanted - entropy(concentration), 0 * wanted, 0 * wanted + final_accuracy)


def official_accuracies(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """The published search: each step takes a belief that sits on its target to the next target, in expectation.

    The published code estimates E|c + α·exp(iδ)|, δ ~ vM(0, α), by noisy sampling; here it is integrated. Real beliefs
    scatter about the target, so that their expected entropy lies up to 0.17 nats above the line.
    """
    targets = target_concentrations(num_steps, final_accuracy)
    before = torch.cat([torch.zeros(1, dtype=torch.float64), targets[:-1]])
    return bisect(
        lambda accuracy: _expected_concentration(before, accuracy) - targets,
        targets - before,
        torch.full_like(targets, final_accuracy),
    )


def flow_exact_accuracies(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """The expected entropy of the flow itself lies on the line, E[H(c_i)] = H_i, by simulation."""
    particles, accuracies = ConcentrationParticles(), []
    guess = official_accuracies(num_steps, final_accuracy).tolist()
    for wanted, start in zip(target_entropies(num_steps, final_accuracy), guess, strict=True):
        accuracies.append(_accuracy_to(wanted, particles, start))
        particles.add(accuracies[-1])
    return torch.stack(accuracies)


def _accuracy_to(wanted: Float[Tensor, ""], particles: ConcentrationParticles, start: float) -> Float[Tensor, ""]:
    """The accuracy that takes the particles to this expected entropy, sought from `start`."""
    return positive_root(lambda accuracy: wanted - entropy(particles.after(accuracy)).mean(), start)


def universal_accuracies(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """Increments of one curve S(t) for all numbers of steps, as α A(α) = S(i/n) − S((i−1)/n).

    Of many small observations of 0, the cosine sum is N(S, S) and the sine sum N(0, S) with S = Σ α A(α), so that all
    depends on S; the expected entropy of such beliefs lies on the line.
    """
    wanted = target_entropies(num_steps, final_accuracy)
    weight = bisect(lambda total: wanted - _entropy_of_total(total), 0 * wanted, 0 * wanted + 2 * final_accuracy + 1)
    weight = weight.diff(prepend=torch.zeros(1, dtype=torch.float64))
    return bisect(
        lambda accuracy: accuracy * bessel_ratio(accuracy) - weight, weight, weight + torch.sqrt(2 * weight) + 1
    )


def _nodes(count: int) -> tuple[Float[Tensor, " nodes"], Float[Tensor, " nodes"]]:
    """Nodes in [0, 1] and weights of Gauss–Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights)


def _entropy_of_total(total: Float[Tensor, " steps"]) -> Float[Tensor, " steps"]:
    """E[H(|z|)] for z ~ N((S, 0), S·1): |z| has the Rice density c/S exp(−(c − S)²/2S) i0e(c)."""
    nodes, weights = _nodes(64)
    total = total.clamp(min=1e-12)[:, None]
    low, high = (total - 9 * torch.sqrt(total)).clamp(min=0), total + 9 * torch.sqrt(total)
    concentration = low + (high - low) * nodes
    density = concentration * torch.exp(-((concentration - total) ** 2) / (2 * total))
    density = weights * density * torch.special.i0e(concentration)
    return (density * entropy(concentration)).sum(-1) / density.sum(-1)


def _expected_concentration(
    before: Float[Tensor, " steps"], accuracy: Float[Tensor, " steps"]
) -> Float[Tensor, " steps"]:
    """E|c + α·exp(iδ)| for δ ~ vM(0, α), by Gauss–Legendre quadrature over twelve standard deviations."""
    nodes, weights = _nodes(128)
    reach = (12 / torch.sqrt(accuracy)).clamp(max=math.pi)[:, None]
    half_sine = torch.sin(reach * nodes / 2) ** 2
    accuracy, before = accuracy[:, None], before[:, None]
    density = weights * torch.exp(-2 * accuracy * half_sine)
    concentration = torch.sqrt((before + accuracy) ** 2 - 4 * before * accuracy * half_sine)
    return (density * concentration).sum(-1) / density.sum(-1)
