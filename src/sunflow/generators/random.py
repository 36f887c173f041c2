"""A control: compositions of train crystals in random places of a random space group, by PyXtal."""

import warnings
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pyxtal import operations
from pyxtal.crystal import random_crystal
from pyxtal.database.element import Element
from pyxtal.msg import Comp_CompatibilityError, VolumeError
from pyxtal.symmetry import Group
from pyxtal.tolerance import Tol_matrix
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.elements import SYMBOLS, atomic_number
from sunflow.crystals.niggli import reduce_entry
from sunflow.crystals.sources import Entry
from sunflow.generators.memory import Memory, UnmadeError, in_cell, without_hyper_parameters

NUM_SPACE_GROUPS = 230
MAX_TRIES = 20
"""Space groups in which PyXtal tries to place the atoms of one crystal."""
SAME = 1e-3
"""Fractional coordinates that differ by less are those of one atom."""

operations.Tol_matrix = cache(Tol_matrix)  # PyXtal spends half of its time on making this constant table anew


class Random(Memory):
    """Crystals of train compositions, or of those that are given, whose structures nothing is known of.

    The space group is drawn from those that have sites for as many atoms of every element. PyXtal draws the volume
    between those of covalent and of van der Waals spheres, a cell of the crystal system, and sites and positions in
    which no atoms are nearer than half the sum of their covalent radii.

    Args:
        task: A key of `TASKS`.
        statistics: Of the train split.
    """

    def make(
        self,
        num_atoms: int,
        atomic_numbers: np.ndarray | None,
        elements: Collection[int] | None,
        random: np.random.Generator,
    ) -> Crystal:
        """A crystal of these atoms, or of those of a train crystal."""
        atoms = self._atoms(num_atoms, elements, random) if atomic_numbers is None else atomic_numbers
        if unknown := [SYMBOLS[z - 1] for z in sorted(set(atoms.tolist())) if Element(z).covalent_radius is None]:
            raise UnmadeError(f"PyXtal knows no radius of {', '.join(unknown)}")
        for _ in range(MAX_TRIES):
            if (crystal := placed(atoms, random)) is not None:
                return crystal
        raise UnmadeError(f"PyXtal found no places for the atoms in any of {MAX_TRIES} space groups")

    def _atoms(
        self, num_atoms: int, elements: Collection[int] | None, random: np.random.Generator
    ) -> Int[np.ndarray, " atoms"]:
        """Those of a train crystal of this size, and of no other elements."""
        for place in self.of_size(num_atoms, random):
            atoms = self.train_crystal(place).atomic_numbers
            if elements is None or set(atoms.tolist()) <= set(elements):
                return atoms
        raise UnmadeError(f"no train crystal of {num_atoms} atoms is made of the elements asked for")


def placed(atoms: Int[np.ndarray, " atoms"], random: np.random.Generator) -> Crystal | None:
    """These atoms in random places of a random space group that has room for them; None if PyXtal finds none."""
    elements, amounts = np.unique(atoms, return_counts=True)
    group = compatible_group(amounts, random)
    symbols = [SYMBOLS[z - 1] for z in elements]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = random_crystal(3, group, symbols, amounts, conventional=False, random_state=random)
        except (Comp_CompatibilityError, VolumeError, RuntimeError, ValueError):
            return None
    if not made.valid:
        return None
    primitive = in_primitive_cell(crystal_of(made), primitive_vectors(group.number))
    reduced = reduce_entry(Entry("random", primitive), max_atoms=len(atoms))
    return in_order(reduced, atoms) if reduced.num_atoms == len(atoms) else None


def crystal_of(made: random_crystal) -> Crystal:
    """What PyXtal has made, in its conventional cell."""
    atomic_numbers = [atomic_number(site.specie) for site in made.atom_sites for _ in site.coords]
    frac_coords = np.concatenate([site.coords for site in made.atom_sites])
    return Crystal("random", made.lattice.matrix, frac_coords, np.array(atomic_numbers))


def compatible_group(amounts: Int[np.ndarray, " _elements"], random: np.random.Generator) -> Group:
    """A space group with sites for so many atoms of each element in its primitive cell, all equally likely."""
    while True:
        group = space_group(int(random.integers(NUM_SPACE_GROUPS)) + 1)
        if group.check_compatible(amounts * group.cellsize())[0]:
            return group


@cache
def space_group(number: int) -> Group:
    """PyXtal's table of a space group, which takes a while to read."""
    return Group(number)


@cache
def primitive_vectors(number: int) -> Float[np.ndarray, "3 3"]:
    """Vectors (rows) of a primitive cell of a space group, in those of its conventional cell."""
    operations = [op for op in space_group(number)[0].ops if np.allclose(op.rotation_matrix, np.eye(3))]
    centrings = [op.translation_vector for op in operations if np.abs(op.translation_vector).max() > SAME]
    cells = map(np.array, combinations([*centrings, *np.eye(3)], 3))
    return next(cell for cell in cells if np.isclose(abs(np.linalg.det(cell)), 1 / len(operations), atol=SAME))


def in_primitive_cell(conventional: Crystal, vectors: Float[np.ndarray, "3 3"]) -> Crystal:
    """The same crystal in the cell of these vectors, whose atoms are fewer."""
    frac_coords = conventional.frac_coords @ np.linalg.inv(vectors)
    apart = frac_coords[:, None] - frac_coords
    same = (np.abs(apart - np.round(apart)) < SAME).all(-1)
    first = np.flatnonzero(same.argmax(-1) == np.arange(len(same)))
    lattice = vectors @ conventional.lattice
    return Crystal(conventional.crystal_id, lattice, frac_coords[first], conventional.atomic_numbers[first])


def in_order(crystal: Crystal, atoms: Int[np.ndarray, " atoms"]) -> Crystal:
    """The crystal with its atoms in this order."""
    places = np.empty(len(atoms), dtype=np.int64)
    places[np.argsort(atoms, kind="stable")] = np.argsort(crystal.atomic_numbers, kind="stable")
    return replace(crystal, frac_coords=in_cell(crystal.frac_coords[places]), atomic_numbers=atoms)


def build(
    task: str, model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> Random:
    """A generator that will remember the train split.

    Raises:
        ValueError: A hyper-parameter is given.
    """
    without_hyper_parameters("random", model)
    return Random(task, statistics)
