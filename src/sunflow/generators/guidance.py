"""Crystals with a property that is asked for: what a generator is told of it, in training and in sampling."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Condition

Output = TypeVar("Output", bound=tuple[Any, ...])
Target = Float[Tensor, " crystals"] | None


class Guidance:
    """The property that crystals can be asked for, as networks are told it: standardised, not a number for any.

    Args:
        name: Its column in the dataset; None where there is none to ask for.
        dropout: The share of train crystals whose property is kept from the network, so that it learns to do without.
        statistics: Of the train split.

    Raises:
        ValueError: The train split has no such property.
    """

    def __init__(self, name: str | None, dropout: float, statistics: dict[str, Any]) -> None:
        self.name = name
        self.dropout = dropout
        known = statistics.get("properties", {})
        if name is not None and name not in known:
            raise ValueError(f"model.property is {name!r}, which is no number in the train split")
        self.mean: float = known[name]["mean"] if name else 0.0
        self.std: float = known[name]["std"] if name else 1.0

    def of_training(self, crystals: CrystalBatch, noise: CrystalNoise) -> Target:
        """The properties of train crystals, some of them kept secret."""
        if self.name is None:
            return None
        crystal_of_row = torch.arange(len(crystals), device=crystals.num_atoms.device)
        kept = torch.special.ndtr(noise.normal(crystal_of_row)) >= self.dropout
        return torch.where(kept, self._standardised(crystals.properties[self.name]), math.nan)

    def of_sampling(self, condition: Condition) -> Target:
        """The properties that are asked for."""
        return None if condition.target is None else self._standardised(condition.target)

    def _standardised(self, values: Float[Tensor, " crystals"]) -> Float[Tensor, " crystals"]:
        return (values - self.mean) / self.std


def guided(network: Callable[[Target], Output], target: Target, weight: float) -> Output:
    """What the network says without a target, and `weight` times what the target changes (Ho & Salimans, 2022)."""
    if target is None or weight == 1:
        return network(target)
    free, asked = network(None), network(target)
    return type(free)(*(left + weight * (right - left) for left, right in zip(free, asked, strict=True)))
