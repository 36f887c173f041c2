"""Space groups and sizes for new crystals: those of train crystals."""

import logging
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.kept_tables import make_room
from sunflow.crystals.lattice_coefficients import FAMILIES

logger = logging.getLogger(__name__)
WIDTH = 0.1
"""Standard deviations of the property by which a train crystal may miss a target and still be a likely precedent ..."""
ENOUGH = 50
"""... or twice as many, and twice again, until so many crystals count (the effective sample size of the weights)."""
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
        occur near the target: a crystal counts by a normal distribution around it. Where no such train crystal has any
        of the allowed space groups, these are equally likely and the sizes those of their crystal families.

        Args:
            seeds: One per crystal.
            smallest: Atoms of the smallest crystal that makes sense.
            allowed: Space groups to choose from; None allows all.
            target: The property that is asked for.

        Raises:
            ValueError: The train split has no crystals so large, or none whose property is known.
        """
        groups, sizes = self.space_group.cpu().numpy(), self.num_atoms.cpu().numpy()
        (places,) = np.nonzero((sizes >= smallest) & (self.value.isfinite().cpu().numpy() | (target is None)))
        if not len(places):
            known = "" if target is None else " with a value of the property"
            raise ValueError(f"the train split has no crystal of {smallest} atoms or more{known}")
        draws = [random.Random(seed) for seed in seeds]
        seen = places if allowed is None else places[np.isin(groups[places], allowed)]
        if len(seen):
            _log_left_out(groups[seen], allowed)
            chosen = self._drawn(seen, draws, target)
            return [(int(groups[place]), int(sizes[place])) for place in chosen]
        wanted = [draw.choice(sorted(allowed or ())) for draw in draws]
        chosen = np.zeros(len(draws), dtype=int)
        for group in set(wanted):
            of_group = [index for index, other in enumerate(wanted) if other == group]
            alike = _of_family(places, groups, group)
            chosen[of_group] = self._drawn(alike, [draws[index] for index in of_group], target)
        return list(zip(wanted, sizes[chosen].tolist(), strict=True))

    def _drawn(self, places: np.ndarray, draws: Sequence[random.Random], target: float | None) -> np.ndarray:
        """One of these places for every draw."""
        cumulative = np.cumsum(self._weights(places, target))
        heights = [draw.random() * cumulative[-1] for draw in draws]
        return places[np.searchsorted(cumulative, heights, side="right").clip(max=len(places) - 1)]

    def _weights(self, places: np.ndarray, target: float | None) -> np.ndarray:
        """How much the train crystals of these places count."""
        if target is None:
            return np.ones(len(places))
        values = self.value.double().cpu().numpy()
        distance = np.abs(values[places] - target) / max(np.nanstd(values), 1e-9)
        width = WIDTH
        while True:
            weights = np.exp((distance.min() ** 2 - distance**2) / (2 * width**2))
            if weights.sum() ** 2 >= min(ENOUGH, len(places) / 2) * (weights**2).sum():
                return weights
            width *= 2


def _of_family(places: np.ndarray, groups: np.ndarray, group: int) -> np.ndarray:
    """Those of the crystal family of a space group; all, where there are none."""
    last = [last for last, *_ in FAMILIES]
    related = places[np.searchsorted(last, groups[places]) == np.searchsorted(last, group)]
    return related if len(related) else places


def _log_left_out(seen: np.ndarray, allowed: Sequence[int] | None) -> None:
    if absent := sorted(set(allowed or ()) - set(seen.tolist())):
        logger.info("no train crystal has these of the space groups, which will not be made: %s", absent)
