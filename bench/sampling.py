"""The whole loop of sampling against a plain one."""

import time
from typing import Any

import torch
from torch import Tensor

from bench.paper import largest_error, paper_generator, plain_generator, require
from bench.sizes import mp20_sizes
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.crysbfn import CrysBFN
from sunflow.networks.complete_graph import CompleteGraph

NUM_CRYSTALS, NUM_TIMED = 64, 10


def sampling() -> None:
    """64 crystals at 100 and 1000 steps: the first, middle and last 10 steps, from which follows the sum of all."""
    for num_steps in (100, 1000):
        ours = paper_generator(num_steps)
        plain = plain_generator(ours)
        start = time.process_time()
        ours.prepare_sampling()
        construction = time.process_time() - start
        loops = {"plain": Loop(plain), "Sunflow": Loop(ours)}
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for first in (1, num_steps // 2, num_steps - NUM_TIMED):
            for name, loop in loops.items():
                seconds[name].append(loop.seconds(range(first, first + NUM_TIMED)) / NUM_TIMED)
        error = largest_error(*(tuple(loop.estimate(loops["plain"].belief).values()) for loop in loops.values()))
        require(error, 1e-3, f"{num_steps} steps: estimates from the same beliefs differ by")
        totals = {name: num_steps * sum(values) / len(values) for name, values in seconds.items()}
        totals["Sunflow"] += construction
        for name, values in seconds.items():
            print(
                f"{name:10s} s a step, first, middle, last: " + ", ".join(f"{value:.3f}" for value in values), end="; "
            )
            print(f"all {totals[name]:.0f} s   {totals['plain'] / totals[name]:.2f} x")


class Loop:
    """Algorithm 2 with redrawn beliefs, from any step to any other."""

    def __init__(self, generator: CrysBFN) -> None:
        torch.manual_seed(0)
        self.generator = generator
        self.graph = CompleteGraph.of(mp20_sizes(NUM_CRYSTALS))
        self.noise = CrystalNoise(range(NUM_CRYSTALS))
        crystals = torch.arange(NUM_CRYSTALS)
        of_atom = self.graph.crystal_of_atom
        self.rows = {"lattice": crystals, "frac_coords": of_atom, "atom_types": of_atom}
        self.belief = generator.flow.prior(self.rows, self.noise)
        self.x_hat = self.estimate(self.belief, step=0)

    @torch.no_grad()
    def estimate(self, belief: dict[str, Any], step: int = 1) -> dict[str, Tensor]:
        """What the network makes of a belief."""
        time_of_crystal = torch.full((NUM_CRYSTALS,), step / self.generator.flow.num_steps)
        return self.generator.estimate(belief, time_of_crystal, self.graph)

    @torch.no_grad()
    def seconds(self, steps: range) -> float:
        """CPU time of these steps."""
        start = time.process_time()
        for step in steps:
            count = torch.full((NUM_CRYSTALS,), step)
            self.belief = self.generator.flow.redraw(self.belief, self.x_hat, count, self.rows, self.noise)
            self.x_hat = self.estimate(self.belief, step)
        return time.process_time() - start
