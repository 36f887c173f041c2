"""What every generator offers, and how one is built from its kind."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow import generators
from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.space_groups import SpaceGroups
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.precedents import Precedents

#: What a generator can be trained for, and what it is then given of every crystal.
TASKS = {"generation": "the number of atoms", "structure_prediction": "the composition"}


@dataclass(frozen=True)
class Condition:
    """What is given of the crystals that are asked for.

    Attributes:
        num_atoms: Atoms of every crystal.
        atomic_numbers: Of every atom; None leaves them to the generator.
        elements: Atomic numbers that the crystals may hold; None allows all that the generator knows.
        space_group: 1 … 230 of every crystal, for generators of asymmetric units; `num_atoms` is theirs.
        target: Of every crystal, the property that the generator was trained with; None asks for nothing.
        guidance: How much the target counts: 1 as in the train split, 0 not at all, more than 1 more than that.
    """

    num_atoms: Int[Tensor, " crystals"]
    atomic_numbers: Int[Tensor, " atoms"] | None = None
    elements: Int[Tensor, " elements"] | None = None
    space_group: Int[Tensor, " crystals"] | None = None
    target: Float[Tensor, " crystals"] | None = None
    guidance: float = 1.0

    def __len__(self) -> int:
        return len(self.num_atoms)

    def to(self, device: torch.device | str) -> "Condition":
        """The same condition on another device."""
        given: dict[str, Any] = {name: value.to(device) for name, value in vars(self).items() if torch.is_tensor(value)}
        return replace(self, **given)


class Generator(nn.Module, ABC):
    """Anything that can be trained on crystals and asked for new ones.

    Attributes:
        task: A key of `TASKS`.
        atomic_numbers: The elements that it knows, those of the train split.
        property: What crystals can be asked for, a numeric column of the dataset; None if for nothing.
        asymmetric: Whether it makes asymmetric units, and is given a space group for each.
        precedents: Where it is asked for likely sizes, if it is.
    """

    task: str
    atomic_numbers: Int[Tensor, " elements"]
    property: str | None = None
    asymmetric: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.precedents: Precedents | None = None

    def remember(self, crystals: CrystalBatch, space_groups: SpaceGroups | None = None) -> None:
        """Take in the train split before the training, and the space groups if it makes asymmetric units."""
        if self.precedents is not None:
            self.precedents.remember(crystals, self.property)

    @abstractmethod
    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """Named terms with a value for every row (crystal or atom); the sum of their means is minimised."""

    @abstractmethod
    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str) -> CrystalBatch:
        """New crystals, one per seed, with coordinates in [0, 1).

        But for rounding a crystal does not depend on the others of its batch. One that could not be made stands among
        the failures of the batch; one that went wrong has a lattice or coordinates that are not finite.

        Raises:
            ValueError: The sampler is unknown, there are not as many seeds as crystals, or the condition does not go
                with the task that the generator was trained for.
        """

    def trajectory(self, condition: Condition, seeds: Sequence[int], sampler: str) -> Iterator[CrystalBatch]:
        """What the generator believes the crystals to be, step by step, if it has steps, and at last its sample."""
        yield self.sample(condition, seeds, sampler)

    def prepare_sampling(self) -> None:
        """Make sampling faster, now that the weights are what they will be; training ends here."""

    def check(self, condition: Condition, seeds: Sequence[int]) -> None:
        """Raise a ValueError unless the condition goes with the task, the seeds and the elements of the train split."""
        if len(seeds) != len(condition):
            raise ValueError(f"{len(condition)} crystals are asked for, but {len(seeds)} seeds given")
        if (condition.atomic_numbers is not None) != (self.task == "structure_prediction"):
            given = "a composition" if condition.atomic_numbers is not None else "no composition"
            raise ValueError(f"a generator trained for {self.task} is given {TASKS[self.task]}, but here {given}")
        for named in (condition.atomic_numbers, condition.elements):
            if named is not None and (unknown := set(named.tolist()) - set(self.atomic_numbers.tolist())):
                raise ValueError(f"the train split has no atoms of atomic numbers {sorted(unknown)}, asked for here")
        if (condition.space_group is not None) != self.asymmetric:
            given = "no space groups" if self.asymmetric else "space groups, of which it knows nothing"
            raise ValueError(f"the generator is given {given}")
        if condition.target is not None and self.property is None:
            raise ValueError("a target is asked for, but the generator was trained without model.property")


def module_of(kind: str) -> str:
    """The module of a kind of generator: it has a function `build` with the arguments of `build` below but the kind.

    Raises:
        ValueError: There is none.
    """
    modules = [module.name for module in iter_modules(generators.__path__)]
    if kind not in modules:
        nearest = difflib.get_close_matches(kind, modules, n=1, cutoff=0)[0]
        raise ValueError(f"{kind!r} is no kind of generator, with a file of this name; the nearest is {nearest!r}")
    return f"{generators.__name__}.{kind}"


def build(
    kind: str,
    task: str,
    model: dict[str, Any],
    statistics: dict[str, Any],
    accuracy_schedule: Float[Tensor, " steps"] | None,
) -> Generator:
    """A generator with fresh weights.

    Args:
        kind: The name of a module beside this one.
        task: A key of `TASKS`.
        model: Its hyper-parameters, as in `config.yaml`.
        statistics: Of the train split, from `sunflow.crystals.statistics`.
        accuracy_schedule: Accuracies of the sender at every step, for generators that need them.

    Raises:
        ValueError: The kind, the task or a hyper-parameter is unknown or out of range.
    """
    if task not in TASKS:
        nearest = difflib.get_close_matches(task, TASKS, n=1, cutoff=0)[0]
        raise ValueError(
            f"{task!r} is no task of a generator: known are {', '.join(TASKS)}; the nearest is {nearest!r}"
        )
    return import_module(module_of(kind)).build(task, model, statistics, accuracy_schedule)
