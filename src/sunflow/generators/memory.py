"""Generators without training: they remember the train crystals, and make one new crystal after another of them."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal, wrapped
from sunflow.crystals.kept_tables import make_room
from sunflow.crystals.space_groups import SpaceGroups
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Condition, Generator

REMEMBERED = ("lattice", "frac_coords", "atomic_numbers", "num_atoms")
"""Tensors of the train split, which the weights hold under these names after `train_`."""


class UnmadeError(Exception):
    """A crystal that could not be made, and why."""


class Memory(Generator):
    """A generator without parameters, which has no sampler either: the argument `sampler` means nothing to it.

    Args:
        task: A key of `TASKS`.
        statistics: Of the train split.
    """

    def __init__(self, task: str, statistics: dict[str, Any]) -> None:
        super().__init__()
        self.task = task
        self.register_buffer("atomic_numbers", torch.tensor(statistics["atomic_numbers"]), persistent=False)
        nothing = torch.zeros(0, dtype=torch.int64)
        self.remember(CrystalBatch(torch.zeros(0, 3, 3), torch.zeros(0, 3), nothing, nothing))

    train_lattice: Tensor
    train_frac_coords: Tensor
    train_atomic_numbers: Tensor
    train_num_atoms: Tensor

    def remember(self, crystals: CrystalBatch, space_groups: SpaceGroups | None = None) -> None:
        """Keep the train crystals, in single precision."""
        for name in REMEMBERED:
            self.register_buffer(f"train_{name}", getattr(crystals, name))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Make room for as many crystals as are remembered there."""
        make_room(self, [f"train_{name}" for name in REMEMBERED], state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """No terms: there is nothing to learn."""
        return {}

    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str = "") -> CrystalBatch:
        """New crystals, each from a stream of random numbers of its own; the errors are those of `check`."""
        self.check(condition, seeds)
        sizes = condition.num_atoms.tolist()
        atoms = None if condition.atomic_numbers is None else condition.atomic_numbers.cpu().split(sizes)
        elements = None if condition.elements is None else condition.elements.tolist()
        made, failures = [], {}
        for index, (size, seed) in enumerate(zip(sizes, seeds, strict=True)):
            given = None if atoms is None else atoms[index].numpy()
            try:
                crystal = self.make(size, given, elements, np.random.default_rng(seed))
            except UnmadeError as error:
                failures[index] = str(error)
                crystal = _nothing(size)
            made.append(crystal)
        batch = CrystalBatch.from_crystals(made).map(lambda tensor: tensor.to(condition.num_atoms.device))
        return CrystalBatch(batch.lattice, batch.frac_coords, batch.atomic_numbers, batch.num_atoms, failures=failures)

    @abstractmethod
    def make(
        self,
        num_atoms: int,
        atomic_numbers: np.ndarray | None,
        elements: Collection[int] | None,
        random: np.random.Generator,
    ) -> Crystal:
        """One crystal of so many atoms, of these atoms if they are given, and of these elements if any are named.

        Its coordinates are single precision in [0, 1).

        Raises:
            UnmadeError: It could not be made.
        """

    def of_size(self, num_atoms: int, random: np.random.Generator) -> list[int]:
        """The places of the train crystals of so many atoms, in random order.

        Raises:
            UnmadeError: There are none.
        """
        (places,) = np.nonzero(self.train_num_atoms.cpu().numpy() == num_atoms)
        if not len(places):
            raise UnmadeError(f"no train crystal has {num_atoms} atoms")
        return random.permutation(places).tolist()

    def train_crystal(self, place: int) -> Crystal:
        """A train crystal by its place."""
        first = int(self.train_num_atoms[:place].sum())
        atoms = slice(first, first + int(self.train_num_atoms[place]))
        rows = self.train_lattice[place], self.train_frac_coords[atoms], self.train_atomic_numbers[atoms]
        lattice, frac_coords, atomic_numbers = (tensor.cpu().numpy() for tensor in rows)
        return Crystal(f"train crystal {place}", lattice, frac_coords, atomic_numbers)


def without_hyper_parameters(kind: str, model: dict[str, Any]) -> None:
    """Raise a ValueError for the first hyper-parameter."""
    for name in model:
        raise ValueError(f"model.{name} is no hyper-parameter of {kind}, which has none")


def in_cell(frac_coords: np.ndarray) -> np.ndarray:
    """Coordinates in [0, 1), also when they are rounded to single precision."""
    return wrapped(wrapped(frac_coords).astype(np.float32))


def _nothing(num_atoms: int) -> Crystal:
    """What takes the place of a crystal that could not be made."""
    return Crystal("", np.full((3, 3), np.nan), np.full((num_atoms, 3), np.nan), np.zeros(num_atoms))
