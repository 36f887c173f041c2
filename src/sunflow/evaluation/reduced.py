"""Crystals in the cells in which pymatgen's StructureMatcher compares them, and what those cells alone can tell.

StructureMatcher brings both crystals into their primitive Niggli cells whenever it compares two. Here every crystal is
reduced once, by the same functions. Pairs that cannot match are told by conditions that every match fulfils.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula, to_structure
from sunflow.evaluation.cpu_limit import cpu_limit
from sunflow.evaluation.validity import defect
from sunflow.progress import progress
from sunflow.workers import Died, map_in_processes

logger = logging.getLogger(__name__)
LENGTH_FACTOR = 1.2
"""By which lengths of matching cells may differ: 1 + `ltol` of StructureMatcher at its default settings."""
ROUNDING = 1e-6
"""Relative error that computed lengths may have."""
MAX_SECONDS = 60.0
"""CPU time of one reduction; 20 atoms take some milliseconds."""
WORTH_A_PROCESS = 1000
"""Crystals that take longer than a process needs to start."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A crystal in its primitive Niggli cell.

    Attributes:
        crystal: In that cell.
        lengths: Of the cell, ascending, in the cube root of its volume.
        minima: Successive minima of the lattice in the same unit: lengths of its shortest three independent vectors.
    """

    crystal: Crystal
    lengths: tuple[float, ...]
    minima: tuple[float, ...]

    @property
    def crystal_id(self) -> str:
        """The crystal's name."""
        return self.crystal.crystal_id

    @cached_property
    def structure(self) -> Structure:
        """As a pymatgen structure."""
        return to_structure(self.crystal)


def reduced(crystal: Crystal) -> Reduced:
    """The crystal in its primitive Niggli cell.

    Raises:
        ValueError: There is no crystal.
    """
    if problem := defect(crystal):
        raise ValueError(problem)
    found = to_structure(crystal).get_reduced_structure()
    if formula_units(crystal) > 1:
        found = found.get_primitive_structure()
    changed = {"lattice": found.lattice.matrix, "frac_coords": found.frac_coords, "properties": {}}
    cell = replace(crystal, **changed, atomic_numbers=np.array(found.atomic_numbers))
    unit = found.volume ** (1 / 3)
    lengths = tuple(sorted(length / unit for length in found.lattice.lengths))
    return Reduced(cell, lengths, tuple(length / unit for length in successive_minima(found.lattice)))


def formula_of(crystal: Crystal) -> str:
    """Its reduced formula; empty where an atom is no element, or where there is none."""
    try:
        return reduced_formula(crystal)
    except ValueError:
        return ""


def formula_units(crystal: Crystal) -> int:
    """How often a cell holds the reduced formula; where once, it is primitive."""
    return int(np.gcd.reduce(np.unique(crystal.atomic_numbers, return_counts=True)[1]))


def successive_minima(lattice: Lattice) -> list[float]:
    """Lengths (Å) of the shortest three independent vectors of a lattice, ascending, whatever its cell."""
    reach = max(lattice.lengths) * (1 + ROUNDING)
    found = lattice.get_points_in_sphere([[0, 0, 0]], [0, 0, 0], reach, zip_results=False)
    order = np.argsort(found[1], kind="stable")[1:]
    places, lengths = np.round(np.asarray(found[0])[order]), np.asarray(found[1])[order]
    beside = np.cross(places[0], places)
    second = int(np.argmax(beside.any(axis=1)))
    third = int(np.argmax((places @ beside[second]).astype(bool)))
    return lengths[[0, second, third]].tolist()


def may_match(first: Reduced, second: Reduced) -> bool:
    """False only where StructureMatcher cannot find that the first matches the second, in this order.

    Two conditions are necessary. The numbers of atoms must be equal, as neither supercells nor subsets are tried. And
    at equal volume the first lattice must have three independent vectors as long as the second cell's, but for a
    factor of 1.2: the k-th shortest of them is not shorter than the first lattice's k-th minimum.
    """
    if first.crystal.num_atoms != second.crystal.num_atoms:
        return False
    limit = LENGTH_FACTOR * (1 + ROUNDING)
    return all(minimum <= limit * length for minimum, length in zip(first.minima, second.lengths, strict=True))


def reduce_all(crystals: Sequence[Crystal], num_processes: int) -> list[Reduced | str]:
    """All crystals reduced, in their order; where that fails, why."""
    results: Iterable[tuple[int, Any]] = enumerate(map(reduced_or_why, crystals))
    if num_processes > 1 and len(crystals) > WORTH_A_PROCESS:
        results = map_in_processes(_reducing, crystals, num_processes)
    found = dict(progress(results, "reducing", "crystals", total=len(crystals)))
    died = {i: f"the process died, exit code {cell.exit_code}" for i, cell in found.items() if isinstance(cell, Died)}
    return [died.get(index, found[index]) for index in range(len(crystals))]


def _reducing() -> Callable[[Crystal], Reduced | str]:
    return reduced_or_why


def reduced_or_why(crystal: Crystal) -> Reduced | str:
    """The crystal in its primitive Niggli cell, or why there is none."""
    try:
        with cpu_limit(MAX_SECONDS):
            return reduced(crystal)
    except Exception as error:
        return f"no primitive cell: {type(error).__name__}: {error}"
