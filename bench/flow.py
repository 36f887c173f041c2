"""The simulation of the von Mises flow against the rejection sampler of PyTorch."""

import torch
from torch import Tensor

from bench.sizes import mp20_sizes
from bench.timing import cpu_seconds, print_against
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.torus import VonMisesFlow

NUM_CRYSTALS = 64


def flow(repeats: int) -> None:
    """Beliefs after all observations, for the atoms of 64 crystals with the sizes of MP-20, at 100 and 1000 steps."""
    torch.manual_seed(0)
    atoms = int(mp20_sizes(NUM_CRYSTALS).sum())
    x = 6 * torch.rand(atoms, 3) - 3
    for num_steps in (100, 1000):
        accuracies = accuracy_schedule("official", num_steps, 1000.0)
        ours = VonMisesFlow(accuracies, shape=(3,))
        table = _without_limit(accuracies)
        counts = torch.full((atoms,), num_steps)
        variants = {
            "rejection in double precision": lambda accuracies=accuracies: _rejection(x, accuracies),
            "table of quantiles": lambda table=table, counts=counts: table.sample_flow(x, counts, _draw),
            "as the flow does it": lambda ours=ours, counts=counts: ours.sample_flow(x, counts, _draw),
        }
        _check({name: variant() for name, variant in variants.items()}, x)
        print(f"{atoms} atoms, {num_steps} steps, {ours.num_exact} of them one by one")
        print_against("rejection in double precision", cpu_seconds(variants, repeats))


def _draw(*shape: int) -> Tensor:
    return torch.randn(int(mp20_sizes(NUM_CRYSTALS).sum()), *shape)


def _without_limit(accuracies: Tensor) -> VonMisesFlow:
    """The flow that simulates every observation, however many there are."""
    flow = VonMisesFlow(accuracies, shape=(3,))
    flow.num_exact = flow.num_steps
    return flow


def _rejection(x: Tensor, accuracies: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of all observations, each drawn by rejection."""
    senders = torch.distributions.VonMises(x.double()[..., None], accuracies)
    observations = senders.sample()
    cosine_sum = (accuracies * torch.cos(observations)).sum(-1)
    sine_sum = (accuracies * torch.sin(observations)).sum(-1)
    return torch.atan2(sine_sum, cosine_sum), torch.hypot(cosine_sum, sine_sum)


def _check(beliefs: dict[str, tuple[Tensor, Tensor]], x: Tensor) -> None:
    """All variants must be as sure and as right as one another, to what so many atoms can tell."""
    for name, (mean, concentration) in beliefs.items():
        error = torch.sin(mean - x).double()
        expected = concentration.double().rsqrt().mean()
        if not 0.9 < error.std() / expected < 1.1:
            raise AssertionError(f"{name}: errors of {error.std():.4f} rad where {expected:.4f} are expected")
