"""What every generator offers, and how one is built from its kind."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.noise import CrystalNoise

#: The module of every kind of generator; it has a function `build` with the arguments of `build` below but the kind.
KINDS = {"crysbfn": "sunflow.generators.crysbfn"}

#: What a generator can be trained for, and what it is then given of every crystal.
TASKS = {"generation": "the number of atoms", "structure_prediction": "the composition"}


@dataclass(frozen=True)
class Condition:
    """What is given of the crystals that are asked for.

    Attributes:
        num_atoms: Atoms of every crystal.
        atomic_numbers: Of every atom; None leaves them to the generator.
        elements: Atomic numbers that the crystals may hold; None allows all that the generator knows.
    """

    num_atoms: Int[Tensor, " crystals"]
    atomic_numbers: Int[Tensor, " atoms"] | None = None
    elements: Int[Tensor, " elements"] | None = None

    def __len__(self) -> int:
        return len(self.num_atoms)

    def to(self, device: torch.device | str) -> "Condition":
        """The same condition on another device."""
        given = {name: tensor.to(device) for name, tensor in vars(self).items() if tensor is not None}
        return replace(self, **given)


class Generator(nn.Module, ABC):
    """Anything that can be trained on crystals and asked for new ones.

    Attributes:
        task: A key of `TASKS`.
    """

    task: str

    @abstractmethod
    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """Named terms with a value for every row (crystal or atom); the sum of their means is minimised."""

    @abstractmethod
    def trajectory(self, condition: Condition, seeds: Sequence[int], sampler: str) -> Iterator[CrystalBatch]:
        """What the generator believes the crystals to be, step by step, and at last the crystals themselves.

        One crystal per seed, with coordinates in [0, 1); but for rounding it does not depend on the others of
        its batch. A crystal that went wrong has a lattice or coordinates that are not finite.

        Raises:
            ValueError: The sampler is unknown, there are not as many seeds as crystals, or the condition does not go
                with the task that the generator was trained for.
        """

    @abstractmethod
    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str) -> CrystalBatch:
        """The crystals at the end of the trajectory."""

    def prepare_sampling(self) -> None:
        """Make sampling faster, now that the weights are what they will be; training ends here."""

    def check(self, condition: Condition, seeds: Sequence[int]) -> None:
        """Raise a ValueError unless the condition goes with the task and the seeds."""
        if len(seeds) != len(condition):
            raise ValueError(f"{len(condition)} crystals are asked for, but {len(seeds)} seeds given")
        if (condition.atomic_numbers is not None) != (self.task == "structure_prediction"):
            given = "a composition" if condition.atomic_numbers is not None else "no composition"
            raise ValueError(f"a generator trained for {self.task} is given {TASKS[self.task]}, but here {given}")


def build(
    kind: str,
    task: str,
    model: dict[str, Any],
    statistics: dict[str, Any],
    accuracy_schedule: Float[Tensor, " steps"] | None,
) -> Generator:
    """A generator with fresh weights.

    Args:
        kind: A key of `KINDS`.
        task: A key of `TASKS`.
        model: Its hyper-parameters, as in `config.yaml`.
        statistics: Of the train split, from `sunflow.crystals.statistics`.
        accuracy_schedule: Accuracies of the sender at every step, for generators that need them.

    Raises:
        ValueError: The kind, the task or a hyper-parameter is unknown or out of range.
    """
    _known(kind, KINDS, "kind of generator")
    _known(task, TASKS, "task of a generator")
    return import_module(KINDS[kind]).build(task, model, statistics, accuracy_schedule)


def _known(name: str, known: dict[str, str], what: str) -> None:
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
        raise ValueError(f"{name!r} is no {what}: known are {', '.join(known)}; the nearest name is {nearest!r}")
