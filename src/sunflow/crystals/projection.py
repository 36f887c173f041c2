"""The nearest point of a Wyckoff position."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sunflow.crystals.ragged import members
from sunflow.crystals.space_groups import SpaceGroups

LARGEST = 1e3
"""Å; entries of a lattice beyond are no crystal's, and would make distances infinite."""


@dataclass(frozen=True)
class Projected:
    """Points on the first representatives of Wyckoff positions, but for lattice translations.

    Attributes:
        frac_coords: In [0, 1), or not finite where the given point was not.
        distance: In Å, from the given point, or from one that the group makes of it: that is as far.
    """

    frac_coords: Float[Tensor, "points 3"]
    distance: Float[Tensor, " points"]


def project(
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " points"],
    position: Int[Tensor, " points"],
    frac_coords: Float[Tensor, "points 3"],
    lattice: Float[Tensor, "points 3 3"],
) -> Projected:
    """The nearest point of a Wyckoff position, for many points at once, in double precision.

    The nearest of all images of the position is that of which one of the group's operations makes the first
    representative; it is applied to the point, which is then moved onto the representative, perpendicularly in every
    cell that has the symmetry of the group. Distances are exact in cells as compact as conventional ones.

    Args:
        space_groups: The tables.
        space_group: Of every point.
        position: Row of the Wyckoff position in the tables.
        frac_coords: In units of the conventional cell.
        lattice: Rows are the conventional vectors, in Å.
    """
    usable = torch.nan_to_num(frac_coords.double(), 0.0, 0.0, 0.0)
    point, number = space_groups.finds_image[position].nonzero(as_tuple=True)
    operation = space_groups.first_operation[space_group[point]] + number
    brought = apply(space_groups.operations[operation], usable[point])
    offset = apply(space_groups.across[position[point]], brought)
    steps = space_groups.steps[position]
    metric = steps.mT @ metric_of(lattice) @ steps
    remainder, square = _shortest(offset, metric[point], 3 - space_groups.degrees_of_freedom[position[point]])
    best = _first_least(square, point, len(position))
    nearest = brought[best] - (steps @ remainder[best, :, None])[..., 0]
    finite = frac_coords.isfinite().all(-1, keepdim=True)
    return Projected(torch.where(finite, wrapped(nearest), torch.nan), square[best].clamp(min=0).sqrt())


def self_distances_below(
    bound: float,
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " points"],
    position: Int[Tensor, " points"],
    frac_coords: Float[Tensor, "points 3"],
    lattice: Float[Tensor, "points 3 3"],
) -> Bool[Tensor, " points"]:
    """Whether the orbit of a point of a Wyckoff position comes closer to itself than this, in Å.

    As many operations must bring the point that near to itself as its position has site symmetries. The bound must be
    below half the distance of any two lattice planes.
    """
    near = _images_near(bound, space_groups, space_group, frac_coords, frac_coords, lattice)
    return near * space_groups.makes_orbit[position].sum(-1) > space_groups.num_operations(space_group)


def orbits_closer_than(
    bound: float,
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " pairs"],
    first: Float[Tensor, "pairs 3"],
    second: Float[Tensor, "pairs 3"],
    lattice: Float[Tensor, "pairs 3 3"],
) -> Bool[Tensor, " pairs"]:
    """Whether the orbits of two points come closer to one another than this, in Å; bounded as above."""
    return _images_near(bound, space_groups, space_group, first, second, lattice) > 0


def _images_near(
    bound: float,
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " pairs"],
    first: Float[Tensor, "pairs 3"],
    second: Float[Tensor, "pairs 3"],
    lattice: Float[Tensor, "pairs 3 3"],
) -> Int[Tensor, " pairs"]:
    """How many operations of the group, lattice translations aside, bring the first point that near to the second."""
    num_operations = space_groups.num_operations(space_group)
    pair, number = members(num_operations)
    operations = space_groups.operations[space_groups.first_operation[space_group[pair]] + number]
    moves = apply(operations, first[pair]) - second[pair]
    primitive = space_groups.primitive[space_group]
    cells = (moves[:, None] @ torch.linalg.inv(primitive)[pair])[:, 0]
    short = ((cells - cells.round())[:, None] @ (primitive @ limited(lattice))[pair])[:, 0]
    near = (short.square().sum(-1) < bound**2).long()
    return torch.zeros_like(num_operations).index_add(0, pair, near)


def apply(maps: Float[Tensor, "rows 3 4"], points: Float[Tensor, "rows 3"]) -> Float[Tensor, "rows 3"]:
    """Each affine map of its point."""
    return (maps[:, :, :3] @ points[:, :, None])[..., 0] + maps[:, :, 3]


def wrapped(frac_coords: Float[Tensor, "*rows 3"]) -> Float[Tensor, "*rows 3"]:
    """The coordinates in [0, 1); where rounding gives 1.0, that is 0.0, as is -0.0."""
    inside = torch.remainder(frac_coords, 1.0)
    return torch.where((inside == 1.0) | (inside == 0.0), 0.0, inside)


def limited(lattice: Float[Tensor, "rows 3 3"]) -> Float[Tensor, "rows 3 3"]:
    """The lattice in double precision, without numbers that make distances infinite."""
    return torch.nan_to_num(lattice.double(), 0.0).clamp(-LARGEST, LARGEST)


def metric_of(lattice: Float[Tensor, "rows 3 3"]) -> Float[Tensor, "rows 3 3"]:
    """Scalar products of the lattice vectors."""
    return limited(lattice) @ limited(lattice).mT


def _shortest(
    offset: Float[Tensor, "rows 3"], metric: Float[Tensor, "rows 3 3"], dimension: Int[Tensor, " rows"]
) -> tuple[Float[Tensor, "rows 3"], Float[Tensor, " rows"]]:
    """The shortest vector that differs from an offset by integers, and its square.

    In one dimension rounding finds it; in more its neighbours are tried too.
    """
    remainder = offset - offset.round()
    square = (remainder[:, None] @ metric @ remainder[..., None])[:, 0, 0]
    for several in (2, 3):
        rows = (dimension == several).nonzero()[:, 0]
        tried = remainder[rows, None] + _around(several, offset)
        squares = ((tried @ metric[rows]) * tried).sum(-1)
        least = squares.argmin(-1, keepdim=True)
        remainder = remainder.index_copy(0, rows, tried.take_along_dim(least[..., None], 1)[:, 0])
        square = square.index_copy(0, rows, squares.take_along_dim(least, 1)[:, 0])
    return remainder, square


def _around(dimension: int, like: Tensor) -> Float[Tensor, "shifts 3"]:
    """Vectors of -1, 0 and 1 in the first dimensions, 0 in the others; 0 comes first."""
    shifts = torch.zeros(3**dimension, 3, dtype=like.dtype, device=like.device)
    axis = torch.tensor([0.0, -1.0, 1.0], dtype=like.dtype, device=like.device)
    shifts[:, :dimension] = torch.cartesian_prod(*[axis] * dimension)
    return shifts


def _first_least(values: Float[Tensor, " rows"], group: Int[Tensor, " rows"], num: int) -> Int[Tensor, " groups"]:
    """The first row of the least value of every group; every group has a row."""
    least = torch.full((num,), torch.inf, dtype=values.dtype, device=values.device)
    least = least.scatter_reduce(0, group, values, "amin")
    rows = torch.arange(len(values), device=values.device)
    candidates = torch.where(values == least[group], rows, len(values))
    return torch.full((num,), len(values), device=values.device).scatter_reduce(0, group, candidates, "amin")
