"""A small network that estimates a property of crystals from their fingerprints.

Several multilayer perceptrons, which differ in their random numbers alone, answer with their mean; how much they differ
tells how sure they are (deep ensembles, Lakshminarayanan et al., 2017). It is meant for judging generated crystals by
properties for which no potential gives an answer. It knows compositions better than structures: see docs/conditional.md
for its errors.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

HIDDEN_DIM = 256
NUM_MEMBERS = 5
DROPOUT = 0.05
LEARNING_RATE, WEIGHT_DECAY, BATCH_SIZE = 3e-3, 1e-2, 256
MAX_EPOCHS = 200
PATIENCE = 12
"""Epochs without a smaller validation error before a member is done."""
PATIENCE_OF_RATE = 4
"""The same before its learning rate is halved."""


class PropertyNetwork(nn.Module):
    """Members that each map features to a number; standardised inside.

    Args:
        num_features: Of a crystal.
        hidden_dim: Of both hidden layers.
        num_members: Of the ensemble.
    """

    input_mean: Tensor
    input_scale: Tensor
    output_mean: Tensor
    output_scale: Tensor

    def __init__(self, num_features: int, hidden_dim: int = HIDDEN_DIM, num_members: int = NUM_MEMBERS) -> None:
        super().__init__()
        self.members = nn.ModuleList(_member(num_features, hidden_dim) for _ in range(num_members))
        for name, size in (("input", num_features), ("output", 1)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def standardise(self, features: Float[Tensor, "crystals features"], values: Float[Tensor, " crystals"]) -> None:
        """Take mean and standard deviation of the train split; what is constant there is only shifted."""
        for name, numbers in (("input", features), ("output", values[:, None])):
            scale = numbers.std(dim=0, correction=0)
            setattr(self, f"{name}_mean", numbers.mean(dim=0))
            setattr(self, f"{name}_scale", torch.where(scale > 1e-6, scale, torch.ones_like(scale)))

    def forward(self, features: Float[Tensor, "crystals features"]) -> Float[Tensor, "members crystals"]:
        """What every member answers, in the property's unit."""
        scaled = (features - self.input_mean) / self.input_scale
        answers = torch.stack([member(scaled).squeeze(1) for member in self.members])
        return answers * self.output_scale + self.output_mean

    @torch.no_grad()
    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of the members' answers, and their standard deviation, (crystals,) each."""
        answers = self.eval()(torch.as_tensor(features, dtype=torch.float32)).double().numpy()
        return answers.mean(axis=0), answers.std(axis=0)


@dataclass(frozen=True)
class Labelled:
    """Crystals of a split whose property is known.

    Attributes:
        features: (crystals, features).
        values: (crystals,).
    """

    features: np.ndarray
    values: np.ndarray

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Both in single precision."""
        return torch.as_tensor(self.features, dtype=torch.float32), torch.as_tensor(self.values, dtype=torch.float32)


def fit(train: Labelled, val: Labelled, seed: int, **sizes: int) -> tuple[PropertyNetwork, list[int]]:
    """A network trained on one split and stopped by the other, and how many epochs each member took to its best.

    The same seed gives the same network on the same machine and number of threads.

    Args:
        train: At least one crystal.
        val: At least one crystal.
        seed: Of weights, order and dropout.
        sizes: `hidden_dim` and `num_members` of the network, where they are not the usual ones.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PropertyNetwork(train.features.shape[1], **sizes)
        features, values = train.tensors()
        network.standardise(features, values)
        epochs = [_fit_member(network, member, train, val) for member in network.members]
    return network.eval(), epochs


def _member(num_features: int, hidden_dim: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(num_features, hidden_dim), nn.SiLU(), nn.Dropout(DROPOUT)),
        *(nn.Linear(hidden_dim, hidden_dim), nn.SiLU(), nn.Dropout(DROPOUT)),
        nn.Linear(hidden_dim, 1),
    )


def _fit_member(network: PropertyNetwork, member: nn.Module, train: Labelled, val: Labelled) -> int:
    """Train a member by mean absolute error, leave it as it was when it was best, and say in which epoch that was."""
    (inputs, targets), (val_inputs, val_targets) = (_scaled(network, split) for split in (train, val))
    optimizer = torch.optim.AdamW(member.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    slower = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=PATIENCE_OF_RATE)
    best, best_epoch, kept = float("inf"), 0, copy.deepcopy(member.state_dict())
    for epoch in range(1, MAX_EPOCHS + 1):
        member.train()
        for rows in torch.randperm(len(inputs)).split(BATCH_SIZE):
            optimizer.zero_grad()
            nn.functional.l1_loss(member(inputs[rows]).squeeze(1), targets[rows]).backward()
            optimizer.step()
        error = _error(member, val_inputs, val_targets)
        slower.step(error)
        if error < best:
            best, best_epoch, kept = error, epoch, copy.deepcopy(member.state_dict())
        elif epoch - best_epoch >= PATIENCE:
            break
    member.load_state_dict(kept)
    return best_epoch


def _scaled(network: PropertyNetwork, split: Labelled) -> tuple[Tensor, Tensor]:
    features, values = split.tensors()
    inputs = (features - network.input_mean) / network.input_scale
    return inputs, (values - network.output_mean) / network.output_scale


@torch.no_grad()
def _error(member: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    return float((member.eval()(inputs).squeeze(1) - targets).abs().mean())
