"""From asymmetric units to primitive cells."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.lattice import canonical_orientation
from sunflow.crystals.projection import apply, limited, project, self_distances_below, wrapped
from sunflow.crystals.ragged import members
from sunflow.crystals.space_groups import LETTERS, SpaceGroups

SHORTEST, LONGEST = 1.0, 100.0
"""Å; cells with other lengths are no crystals."""
FLATTEST = 1e-2
"""Volume of a cell whose vectors have length 1; angles that make less are impossible."""
COINCIDING = 1e-2
"""Å; points of an orbit that are closer are one point, which then has another Wyckoff position."""


def full_cell(
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " crystals"],
    lattice: Float[Tensor, "crystals 3 3"],
    frac_coords: Float[Tensor, "atoms 3"],
    wyckoff: Int[Tensor, " atoms"],
    atomic_numbers: Int[Tensor, " atoms"],
    num_atoms: Int[Tensor, " crystals"],
    max_atoms: int,
) -> CrystalBatch:
    """The primitive cells of crystals that are given by their asymmetric units.

    Every atom is moved onto its Wyckoff position; the operations that make the position's orbit then make as many atoms
    as it has points, in the order of the asymmetric unit. What cannot be built is a failure with a reason, and has no
    atoms.

    Args:
        space_groups: The tables.
        space_group: Of every crystal.
        lattice: Rows are the conventional vectors, in Å.
        frac_coords: Of any point of every orbit, in units of the conventional cell.
        wyckoff: Position of every orbit within its group, 0 for a.
        atomic_numbers: Of every orbit.
        num_atoms: Orbits of every crystal.
        max_atoms: Larger primitive cells are not built.
    """
    crystal, _ = members(num_atoms, len(frac_coords))
    group, position = space_group[crystal], space_groups.position(space_group[crystal], wyckoff)
    points = project(space_groups, group, position, frac_coords, lattice[crystal]).frac_coords
    clash = self_distances_below(COINCIDING, space_groups, group, position, points, lattice[crystal])
    size = _sums(space_groups.num_points(group, wyckoff), crystal, num_atoms)
    defects = {
        **_defects(lattice),
        "a coordinate is not finite": _sums(~frac_coords.isfinite().all(-1), crystal, num_atoms) > 0,
        f"the primitive cell would hold more than {max_atoms} atoms": size > max_atoms,
        "points of one orbit coincide": _sums(clash, crystal, num_atoms) > 0,
        "two atoms are on one point": _doubly_occupied(space_groups, group, wyckoff, crystal, num_atoms),
    }
    sound = ~torch.stack(list(defects.values())).any(0)
    atom, operation = (space_groups.makes_orbit[position] & sound[crystal, None]).nonzero(as_tuple=True)
    operation = operation + space_groups.first_operation[group[atom]]
    primitive = space_groups.primitive[space_group]
    conventional = apply(space_groups.operations[operation], points[atom])
    inside = (conventional[:, None] @ torch.linalg.inv(primitive)[crystal[atom]])[:, 0]
    cell = canonical_orientation(primitive @ limited(lattice))
    return CrystalBatch(
        lattice=torch.where(sound[:, None, None], cell, torch.eye(3).to(cell)).to(lattice.dtype),
        frac_coords=wrapped(wrapped(inside).to(frac_coords.dtype)),
        atomic_numbers=atomic_numbers[atom],
        num_atoms=torch.where(sound, size, 0),
        failures=_failures(defects),
    )


def _sums(
    values: Bool[Tensor, " atoms"] | Int[Tensor, " atoms"],
    crystal: Int[Tensor, " atoms"],
    num_atoms: Int[Tensor, " crystals"],
) -> Int[Tensor, " crystals"]:
    return torch.zeros_like(num_atoms).index_add(0, crystal, values.to(num_atoms.dtype))


def _defects(lattice: Float[Tensor, "crystals 3 3"]) -> dict[str, Bool[Tensor, " crystals"]]:
    """What makes a lattice impossible, and of which crystals it is true."""
    usable = limited(lattice)
    lengths = usable.norm(dim=-1)
    return {
        "the lattice is not finite": ~lattice.isfinite().all(-1).all(-1),
        f"a cell length is below {SHORTEST:g} Å": (lengths < SHORTEST).any(-1),
        f"a cell length is above {LONGEST:g} Å": (lengths > LONGEST).any(-1),
        "the cell's angles are impossible": torch.linalg.det(usable) < FLATTEST * lengths.prod(-1),
    }


def _doubly_occupied(
    space_groups: SpaceGroups,
    group: Int[Tensor, " atoms"],
    wyckoff: Int[Tensor, " atoms"],
    crystal: Int[Tensor, " atoms"],
    num_atoms: Int[Tensor, " crystals"],
) -> Bool[Tensor, " crystals"]:
    """Whether two atoms share a position that has no degrees of freedom."""
    counts = torch.zeros(len(num_atoms), len(LETTERS), dtype=torch.int64, device=wyckoff.device)
    fixed = space_groups.degrees_of_freedom[space_groups.position(group, wyckoff)] == 0
    counts.index_put_((crystal, wyckoff), fixed.long(), accumulate=True)
    return (counts > 1).any(-1)


def _failures(defects: dict[str, Bool[Tensor, " crystals"]]) -> dict[int, str]:
    """The first defect of every crystal that has any."""
    failures: dict[int, str] = {}
    for reason, crystals in reversed(defects.items()):
        failures |= dict.fromkeys(crystals.nonzero()[:, 0].tolist(), reason)
    return dict(sorted(failures.items()))
