"""What every generator offers, and how one is built from its kind."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.crystals.batch import CrystalBatch

#: The module of every kind of generator; it has a function `build` with the arguments of `build` below but the kind.
KINDS = {"crysbfn": "sunflow.generators.crysbfn"}


@dataclass(frozen=True)
class Condition:
    """What is given of the crystals that are asked for.

    Attributes:
        num_atoms: Atoms of every crystal.
    """

    num_atoms: Int[Tensor, " crystals"]


class Generator(nn.Module, ABC):
    """Anything that can be trained on crystals and asked for new ones."""

    @abstractmethod
    def loss(self, crystals: CrystalBatch, generator: torch.Generator) -> dict[str, Float[Tensor, ""]]:
        """Named terms whose sum is minimised, averaged over the batch.

        All randomness is drawn from `generator`, which lives on the device of the weights or on the CPU.
        """

    @abstractmethod
    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str) -> CrystalBatch:
        """One new crystal per seed, with coordinates in [0, 1); it does not depend on the others of its batch.

        A crystal that went wrong has a lattice or coordinates that are not finite.
        """


def build(
    kind: str, model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> Generator:
    """A generator with fresh weights.

    Args:
        kind: A key of `KINDS`.
        model: Its hyper-parameters, as in `config.yaml`.
        statistics: Of the train split, from `sunflow.crystals.statistics`.
        accuracy_schedule: Accuracies of the sender at every step, for generators that need them.

    Raises:
        ValueError: The kind, or a hyper-parameter, is unknown or out of range.
    """
    if kind not in KINDS:
        nearest = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0)[0]
        raise ValueError(
            f"{kind!r} is no kind of generator: known are {', '.join(KINDS)}; the nearest name is {nearest!r}"
        )
    return import_module(KINDS[kind]).build(model, statistics, accuracy_schedule)
