"""The simulation of the von Mises flow against the rejection sampler of PyTorch."""

import torch
from torch import Tensor

from bench.reference_flow import RejectionSimulation
from bench.sizes import mp20_sizes
from bench.timing import cpu_seconds, print_against
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.simulation import DirectSimulation, IteratedSimulation
from sunflow.flows.torus import VonMisesFlow

NUM_CRYSTALS = 64
PLAIN = "rejection in double precision"


def flow(repeats: int) -> None:
    """Beliefs after all observations, for the atoms of 64 crystals with the sizes of MP-20, at 100 and 1000 steps."""
    torch.manual_seed(0)
    atoms = int(mp20_sizes(NUM_CRYSTALS).sum())
    for num_steps in (100, 1000):
        accuracies = accuracy_schedule("official", num_steps, 1000.0)
        table = VonMisesFlow(accuracies, shape=(3,)).table
        count = torch.full((atoms, 1), num_steps)
        kinds = {PLAIN: RejectionSimulation, "iterated (table)": IteratedSimulation, "direct": DirectSimulation}
        simulations = {name: kind(accuracies, table) for name, kind in kinds.items()}
        variants = {
            name: lambda simulation=simulation, count=count: simulation(count, (3,), _draw)
            for name, simulation in simulations.items()
        }
        print(f"{atoms} atoms, {num_steps} steps")
        _check({name: variant() for name, variant in variants.items()}, accuracies)
        print_against(PLAIN, cpu_seconds(variants, repeats))


def _draw(*shape: int) -> Tensor:
    return torch.randn(int(mp20_sizes(NUM_CRYSTALS).sum()), *shape)


def _check(beliefs: dict[str, tuple[Tensor, Tensor]], accuracies: Tensor) -> None:
    """E c² and E c sin² m of the beliefs must be what they are in closed form, to five standard errors."""
    length = torch.special.i1e(accuracies) / torch.special.i0e(accuracies)
    spread = (accuracies * length).sum()
    expected = spread**2 + (accuracies**2 * (1 - length**2)).sum(), spread
    for name, (mean, concentration) in beliefs.items():
        sine_sum = concentration.double() * torch.sin(mean.double())
        for value, wanted in zip((concentration.double() ** 2, sine_sum**2), expected, strict=True):
            error = (value.mean() - wanted) / (value.std() / len(value.flatten()) ** 0.5)
            if not error.abs() < 5:
                raise AssertionError(f"{name}: {value.mean():.6g} is {error:.1f} standard errors from {wanted:.6g}")
