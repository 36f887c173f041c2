"""Space groups and sizes for new crystals: those of train crystals."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.kept_tables import make_room
from sunflow.crystals.lattice_coefficients import FAMILIES

WIDTH = 0.1
"""Standard deviations of the property by which a train crystal may miss a target and still be a likely precedent."""
NAMES = ("space_group", "num_atoms", "value")


class Precedents(nn.Module):
    """The space group, size and property of every train crystal; what is drawn agrees with what was seen together.

    The space group is 0 for generators that have none.
    """

    def __init__(self) -> None:
        super().__init__()
        for name in NAMES:
            self.register_buffer(name, torch.zeros(0))

    space_group: Tensor
    num_atoms: Tensor
    value: Tensor

    def remember(self, crystals: CrystalBatch, property: str | None) -> None:
        """Take in the train split."""
        device = crystals.num_atoms.device
        self.num_atoms = crystals.num_atoms
        self.space_group = torch.zeros_like(self.num_atoms) if crystals.space_group is None else crystals.space_group
        unknown = torch.full((len(crystals),), torch.nan, device=device)
        self.value = crystals.properties[property] if property else unknown

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        make_room(self, NAMES, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def draw(
        self, seeds: Sequence[int], smallest: int, allowed: Sequence[int] | None, target: float | None
    ) -> list[tuple[int, int]]:
        """A space group and a number of atoms for every seed.

        Those of train crystals of at least `smallest` atoms, in the proportions in which they occur, or in which they
        occur near the target: a crystal counts by a normal distribution around it. Where no train crystal has any of
        the allowed space groups, these are equally likely and the sizes those of their crystal families.

        Args:
            seeds: One per crystal.
            smallest: Atoms of the smallest crystal that makes sense.
            allowed: Space groups to choose from; None allows all.
            target: The property that is asked for.

        Raises:
            ValueError: The train split has no crystals so large.
        """
        groups, sizes = self.space_group.cpu().numpy(), self.num_atoms.cpu().numpy()
        possible = sizes >= smallest
        if target is not None:
            possible &= self.value.isfinite().cpu().numpy()
        if allowed is not None:
            groups = groups if np.isin(groups[possible], allowed).any() else _in_place_of(groups, sorted(allowed))
            possible &= np.isin(groups, allowed)
        (places,) = np.nonzero(possible)
        if not len(places):
            raise ValueError(f"the train split has no crystal of {smallest} atoms or more, which so many elements need")
        cumulative = np.cumsum(self._weights(places, target))
        drawn = [random.Random(seed).random() * cumulative[-1] for seed in seeds]
        chosen = places[np.searchsorted(cumulative, drawn, side="right").clip(max=len(places) - 1)]
        return [(int(groups[place]), int(sizes[place])) for place in chosen]

    def _weights(self, places: np.ndarray, target: float | None) -> np.ndarray:
        """How much the train crystals of these places count."""
        if target is None:
            return np.ones(len(places))
        values = self.value.double().cpu().numpy()
        distance = np.abs(values[places] - target) / max(WIDTH * np.nanstd(values), 1e-9)
        return np.exp((distance.min() ** 2 - distance**2) / 2)


def _in_place_of(groups: np.ndarray, allowed: Sequence[int]) -> np.ndarray:
    """The allowed space groups in turn, instead of those of their crystal families; of all, if no family is there."""
    last = [last for last, *_ in FAMILIES]
    related = np.isin(np.searchsorted(last, groups), np.searchsorted(last, allowed))
    related = related if related.any() else np.ones(len(groups), dtype=bool)
    return np.where(related, np.asarray(allowed)[np.cumsum(related) % len(allowed)], 0)
