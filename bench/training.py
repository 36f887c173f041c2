"""A step of training against a plain one."""

import torch

from bench.paper import batch, paper_generator, plain_generator
from bench.timing import cpu_seconds, print_against
from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.crysbfn import CrysBFN
from sunflow.training.trainer import mean_terms

NUM_STEPS = 1000
PLAIN = "plain"


def training(repeats: int) -> None:
    """Flow, forward, backward and optimiser for 64 crystals; the networks are compared by the figure `network`."""
    crystals = batch()
    steps = {name: TrainingStep(generator, fused=name != PLAIN) for name, generator in _generators().items()}
    losses = {name: sum(step(crystals) for _ in range(2)) / 2 for name, step in steps.items()}
    print("losses of the first two steps: " + ", ".join(f"{name} {loss:.0f}" for name, loss in losses.items()))
    variants = {name: lambda step=step: step(crystals) for name, step in steps.items()}
    print_against(PLAIN, cpu_seconds(variants, repeats))


def _generators() -> dict[str, CrysBFN]:
    ours = paper_generator(NUM_STEPS)
    return {PLAIN: plain_generator(ours), "Sunflow": ours}


class TrainingStep:
    """One step of AdamW after another."""

    def __init__(self, generator: CrysBFN, fused: bool) -> None:
        self.generator = generator
        self.optimizer = torch.optim.AdamW(generator.parameters(), lr=1e-3, weight_decay=0, fused=fused)
        self.count = 0

    def __call__(self, crystals: CrystalBatch) -> float:
        """The loss before the step."""
        self.count += 1
        noise = CrystalNoise.of_batch(self.count, torch.arange(len(crystals)))
        loss = torch.stack([*mean_terms(self.generator.loss(crystals, noise)).values()]).sum()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()
