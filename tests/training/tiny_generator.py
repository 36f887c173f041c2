"""A generator small enough to check by hand."""

import numpy as np
import torch
from torch import nn

from sunflow.crystals.crystal import Crystal
from sunflow.generators.generator import Generator
from sunflow.training.settings import TrainingSettings


class TinyGenerator(Generator):
    """Two terms of loss with noise; `calls` and `hook` let a test look in and interfere."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 3))
        self.register_buffer("counter", torch.zeros((), dtype=torch.int64))
        self.calls = 0
        self.hook = None

    def loss(self, crystals, noise):
        self.calls += 1
        guess = self.network(crystals.frac_coords + 0.1 * noise.normal(crystals.crystal_of_atom, 3))
        of_crystal = crystals.lattice.new_zeros(len(crystals)).index_add(0, crystals.crystal_of_atom, guess.sum(-1))
        terms = {
            "frac_coords": (guess - crystals.frac_coords).square().mean(-1),
            "lattice": 0.01 * (of_crystal / crystals.num_atoms - crystals.lattice.mean((1, 2))).square(),
        }
        return self.hook(self, terms) if self.hook else terms

    def sample(self, condition, seeds, sampler):
        raise NotImplementedError

    def trajectory(self, condition, seeds, sampler):
        raise NotImplementedError


class ConstantGenerator(Generator):
    """Learns nothing: its loss in validation is what the test says, in training the sum of its weights."""

    def __init__(self, validation_losses):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.validation_losses = validation_losses

    def loss(self, crystals, noise):
        if self.training:
            return {"constant": self.weight.sum()[None]}
        return {"constant": torch.tensor([self.validation_losses.pop(0)])}

    def sample(self, condition, seeds, sampler):
        raise NotImplementedError

    def trajectory(self, condition, seeds, sampler):
        raise NotImplementedError


def crystals(num=13):
    generator = torch.Generator().manual_seed(3)
    sizes = [1 + index % 4 for index in range(num)]
    return [
        Crystal(
            f"{index:03d}",
            3.0 * torch.eye(3).numpy() + index,
            torch.rand((size, 3), generator=generator).numpy(),
            np.arange(3, 3 + size),
        )
        for index, size in enumerate(sizes)
    ]


def settings(**changes):
    small = {
        "epochs": 5,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "averaging_decay": 0.9,
        "averaging_start": 3,
        "validate_every": 2,
        "plateau_patience": 1,
    }
    return TrainingSettings(**{**small, **changes})
