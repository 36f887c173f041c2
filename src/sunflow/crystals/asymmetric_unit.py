"""From a crystal to its asymmetric unit."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import spglib
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.full_cell import LONGEST, full_cell
from sunflow.crystals.lattice import canonical_orientation
from sunflow.crystals.projection import project, wrapped
from sunflow.crystals.space_groups import LETTERS, SpaceGroups

SAME = 0.01
"""Å; points that are closer are the same. The standardised cell is symmetric to much less."""
CENTRE = (0.5001, 0.50037, 0.50071)
"""Of the points of an orbit, the nearest to this one is kept: the middle of the cell, but for ties."""
SNAP = 1e-6
"""Coordinates that are nearer to 1 are 0."""


class UnencodedError(Exception):
    """A crystal without asymmetric unit, and why."""


@dataclass(frozen=True)
class Conventional:
    """A crystal in the conventional cell of the tables.

    Attributes:
        space_group: 1 to 230.
        lattice: Rows are the vectors, in Å; c along z, a in the xz plane.
        frac_coords: Of all atoms of the conventional cell.
        atomic_numbers: Of all atoms of the conventional cell.
    """

    space_group: int
    lattice: Float[Tensor, "3 3"]
    frac_coords: Float[Tensor, "atoms 3"]
    atomic_numbers: Int[Tensor, " atoms"]


def asymmetric_unit(crystal: Crystal, space_groups: SpaceGroups, symprec: float = 0.1) -> Crystal:
    """The conventional cell with one atom of every orbit, or the crystal failed with a reason.

    The atom that stands for an orbit is the one nearest to the middle of the conventional cell, moved exactly onto its
    Wyckoff position. The properties `space_group`, `wyckoff` (a letter for every atom) and `num_atoms` (of the
    primitive cell) are added. From the result, the crystal has been built again and compared.

    Args:
        crystal: In any cell.
        space_groups: The tables.
        symprec: How far atoms may be from where the symmetry wants them, in Å.
    """
    if crystal.status != "ok":
        return crystal
    try:
        return _encoded(crystal, space_groups, symprec)
    except UnencodedError as error:
        return Crystal.failure(crystal.crystal_id, str(error), **crystal.properties)


def _encoded(crystal: Crystal, space_groups: SpaceGroups, symprec: float) -> Crystal:
    cell = _conventional(crystal, space_groups, symprec)
    if (longest := float(cell.lattice.norm(dim=-1).max())) > LONGEST:
        raise UnencodedError(f"long cell: {longest:.1f} Å, more than {LONGEST:g}")
    orbits = _orbits(cell, space_groups)
    first = torch.tensor([orbit[0] for orbit in orbits])
    sizes = torch.tensor([len(orbit) for orbit in orbits])
    wyckoff, points = _on_positions(cell, space_groups, first, sizes)
    points = _representatives(cell, space_groups, points)
    num_atoms = _check(cell, space_groups, points, wyckoff, cell.atomic_numbers[first])
    return replace(
        crystal,
        lattice=cell.lattice.numpy(),
        frac_coords=points.numpy(),
        atomic_numbers=cell.atomic_numbers[first].numpy(),
    ).with_properties(
        space_group=cell.space_group,
        wyckoff="".join(LETTERS[letter] for letter in wyckoff.tolist()),
        num_atoms=num_atoms,
    )


def _conventional(crystal: Crystal, space_groups: SpaceGroups, symprec: float) -> Conventional:
    """The crystal in the setting of the tables, made exactly symmetric by spglib."""
    cell = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    found = _dataset(cell, symprec, 0)
    if found.hall_number != (setting := int(space_groups.hall_number[found.number])):
        found = _dataset(cell, symprec, setting)
    lattice = torch.tensor(found.std_lattice)
    return Conventional(
        space_group=int(found.number),
        lattice=canonical_orientation(lattice[None])[0],
        frac_coords=torch.tensor(found.std_positions),
        atomic_numbers=torch.tensor(found.std_types, dtype=torch.int64),
    )


def _dataset(cell: tuple[np.ndarray, np.ndarray, np.ndarray], symprec: float, setting: int) -> Any:
    """The data set that spglib makes; the setting 0 is spglib's own choice."""
    try:
        found = spglib.get_symmetry_dataset(cell, symprec=symprec, hall_number=setting)
    except spglib.SpglibError as error:
        raise UnencodedError(f"no space group: {error}") from error
    if found is None:
        raise UnencodedError(f"no space group: spglib finds none at {symprec:g} Å")
    return found


def _orbits(cell: Conventional, space_groups: SpaceGroups) -> list[list[int]]:
    """The atoms of every orbit, in the order of their first atoms."""
    operations = space_groups.operations[_rows(space_groups.first_operation, cell.space_group)]
    images = torch.einsum("oij,nj->noi", operations[:, :, :3], cell.frac_coords) + operations[:, :, 3]
    left = torch.ones(len(images), dtype=torch.bool)
    orbits: list[list[int]] = []
    while left.any():
        atom = int(left.nonzero()[0, 0])
        same = _coincide(cell, space_groups, images[atom], cell.frac_coords).any(0)
        same &= cell.atomic_numbers == cell.atomic_numbers[atom]
        orbits.append((same & left).nonzero()[:, 0].tolist())
        left &= ~same
        left[atom] = False
    return orbits


def _on_positions(
    cell: Conventional, space_groups: SpaceGroups, atoms: Int[Tensor, " orbits"], sizes: Int[Tensor, " orbits"]
) -> tuple[Int[Tensor, " orbits"], Float[Tensor, "orbits 3"]]:
    """The nearest Wyckoff position with as many points as the orbit of an atom, and its nearest point."""
    rows = _rows(space_groups.first_position, cell.space_group)
    orbit, wyckoff = (space_groups.multiplicity[rows] == sizes[:, None]).nonzero(as_tuple=True)
    if len(orbit.unique()) < len(atoms):
        raise UnencodedError("no Wyckoff position: an orbit has as many points as none")
    group, lattice = torch.full_like(orbit, cell.space_group), cell.lattice.expand(len(orbit), 3, 3)
    projected = project(space_groups, group, wyckoff + rows.start, cell.frac_coords[atoms[orbit]], lattice)
    distances = torch.full((len(atoms), rows.stop - rows.start), torch.inf, dtype=torch.float64)
    distances[orbit, wyckoff] = projected.distance
    nearest = distances.argmin(1)
    if (distance := float(distances.min(1).values.max())) > SAME:
        raise UnencodedError(f"no Wyckoff position: an orbit is {distance:.2g} Å from its nearest one")
    return nearest, projected.frac_coords[wyckoff == nearest[orbit]]


def _representatives(
    cell: Conventional, space_groups: SpaceGroups, points: Float[Tensor, "orbits 3"]
) -> Float[Tensor, "orbits 3"]:
    """The point of every orbit in the conventional cell that is nearest to its middle, in fractional coordinates."""
    operations = space_groups.operations[_rows(space_groups.first_operation, cell.space_group)]
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, dtype=torch.float64)] * 3)
    centrings = steps @ space_groups.primitive[cell.space_group]
    images = torch.einsum("oij,nj->noi", operations[:, :, :3], points) + operations[:, :, 3]
    images = wrapped(images[:, :, None] + centrings).flatten(1, 2)
    images = torch.where(images > 1 - SNAP, 0.0, images)
    nearest = (images - torch.tensor(CENTRE, dtype=torch.float64)).square().sum(-1).argmin(1)
    return images[torch.arange(len(points)), nearest]


def _check(
    cell: Conventional,
    space_groups: SpaceGroups,
    points: Float[Tensor, "orbits 3"],
    wyckoff: Int[Tensor, " orbits"],
    atomic_numbers: Int[Tensor, " orbits"],
) -> int:
    """How many atoms the primitive cell has, once it is sure that its atoms are those of the conventional cell."""
    one = torch.tensor([cell.space_group])
    unit = (points, wyckoff, atomic_numbers, torch.tensor([len(points)]))
    built = full_cell(space_groups, one, cell.lattice[None], *unit, max_atoms=len(cell.atomic_numbers))
    if built.failures:
        raise UnencodedError(f"cannot be built again: {built.failures[0]}")
    found = built.frac_coords @ space_groups.primitive[cell.space_group]
    same = _coincide(cell, space_groups, cell.frac_coords, found)
    same &= cell.atomic_numbers[:, None] == built.atomic_numbers
    cells = 1 / float(torch.linalg.det(space_groups.primitive[cell.space_group]))
    if not (same.sum(1) == 1).all() or not (same.sum(0) == round(cells)).all():
        raise UnencodedError("cannot be built again: the atoms are others")
    return len(found)


def _coincide(
    cell: Conventional, space_groups: SpaceGroups, a: Float[Tensor, "some 3"], b: Float[Tensor, "others 3"]
) -> Bool[Tensor, "some others"]:
    """Whether points are the same, but for lattice translations."""
    primitive = space_groups.primitive[cell.space_group]
    moves = (a[:, None] - b) @ torch.linalg.inv(primitive)
    return ((moves - moves.round()) @ primitive @ cell.lattice).norm(dim=-1) < SAME


def _rows(first: Int[Tensor, " groups_and_end"], space_group: int) -> slice:
    """Where the rows of a group are."""
    return slice(int(first[space_group]), int(first[space_group + 1]))
