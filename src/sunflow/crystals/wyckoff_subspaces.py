"""What a Wyckoff position is in space: a point, a line, a plane or all of it, its images, and the lattice across it.

Plain linear algebra on the tables of one group, in the fractional coordinates of its conventional cell.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

GENERIC = np.array([0.1234567, 0.3187219, 0.7219483])
"""Parameters that no position of higher symmetry shares."""
DENOMINATOR = 24
"""Every number in the tables of the space groups is a multiple of 1/24."""
SAME = 1e-6
"""Coordinates that differ by less are the same."""
NEAR = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
"""Small vectors of integers."""
CUBIC = np.eye(3)
HEXAGONAL = np.array([[1, -0.5, 0], [-0.5, 1, 0], [0, 0, 1]])
"""Scalar products of the conventional vectors of cells that are as good as any, to say which vector is short."""


@dataclass(frozen=True)
class Subspace:
    """The first representative of a Wyckoff position; the attributes are those of `SpaceGroups`."""

    across: Float[np.ndarray, "3 4"]
    steps: Float[np.ndarray, "3 3"]
    makes_orbit: Bool[np.ndarray, " operations"]
    finds_image: Bool[np.ndarray, " operations"]


def primitive_cell(centrings: Float[np.ndarray, "centrings 3"], metric: Float[np.ndarray, "3 3"]) -> np.ndarray:
    """Rows are the shortest right-handed vectors of the lattice of the unit vectors and the centrings."""
    vectors = (centrings[:, None] + NEAR).reshape(-1, 3)
    cell = shortest_basis(vectors, 3, metric)
    return cell * np.sign(np.linalg.det(cell))


def subspace(
    position: Float[np.ndarray, "3 4"],
    operations: Float[np.ndarray, "operations 3 4"],
    primitive: Float[np.ndarray, "3 3"],
    metric: Float[np.ndarray, "3 3"],
) -> Subspace:
    """The subspace of the first representative of a Wyckoff position.

    Args:
        position: Its affine map.
        operations: Of the group, but for lattice translations.
        primitive: Rows are lattice vectors.
        metric: Scalar products of the conventional vectors.
    """
    point = position[:, :3] @ GENERIC + position[:, 3]
    points = operations[:, :, :3] @ point + operations[:, :, 3]
    stabilizer = operations[_is_lattice_vector(points - point, primitive), :, :3]
    across, steps = _across(np.eye(3) - stabilizer.mean(axis=0), primitive, metric)
    images = operations[:, None, :, :3] @ points[:, :, None] + operations[:, None, :, 3:]
    offsets = (images[..., 0] - point) @ across.T
    returns = (np.abs(offsets - np.round(offsets)) < SAME).all(axis=-1)
    return Subspace(
        across=exact(np.concatenate([across, -(across @ point)[:, None]], axis=1)),
        steps=exact(steps),
        makes_orbit=_first_of_each(_is_lattice_vector(points[:, None] - points, primitive)),
        finds_image=np.isin(np.arange(len(operations)), returns.argmax(axis=0)),
    )


def shortest_basis(
    vectors: Float[np.ndarray, "vectors 3"], dimension: int, metric: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "dimension 3"]:
    """The shortest independent vectors (rows) of a lattice that are among these: in three dimensions a basis."""
    lengths = np.round(np.einsum("ni,ij,nj->n", vectors, metric, vectors), 9)
    ordered = vectors[np.lexsort((*-np.round(vectors.T[::-1], 9), lengths))]
    basis = np.empty((0, 3))
    for vector in ordered:
        if len(basis) == dimension:
            break
        longer = np.vstack([basis, vector])
        if np.linalg.matrix_rank(longer, tol=SAME) == len(longer):
            basis = longer
    return basis


def _across(
    residual: Float[np.ndarray, "3 3"], primitive: Float[np.ndarray, "3 3"], metric: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]]:
    """Coordinates (rows) and basis (columns) of the lattice seen along a subspace, filled up with zeros.

    Args:
        residual: Takes from a vector its part along the subspace. As it commutes with the site's symmetry, that part is
            perpendicular in every cell that has the symmetry.
        primitive: Rows are lattice vectors.
        metric: Scalar products of the conventional vectors.
    """
    dimension = round(np.trace(residual))
    basis = shortest_basis(NEAR @ primitive @ residual.T, dimension, metric).T
    across, steps = np.zeros((3, 3)), np.zeros((3, 3))
    across[:dimension] = np.linalg.pinv(basis) @ residual
    steps[:, :dimension] = basis
    return across, steps


def _is_lattice_vector(vectors: Float[np.ndarray, "*rows 3"], primitive: Float[np.ndarray, "3 3"]) -> np.ndarray:
    cells = vectors @ np.linalg.inv(primitive)
    return (np.abs(cells - np.round(cells)) < SAME).all(axis=-1)


def _first_of_each(same: Bool[np.ndarray, "rows rows"]) -> Bool[np.ndarray, " rows"]:
    """Which rows are like none before them."""
    return same.argmax(axis=1) == np.arange(len(same))


def exact(matrix: Float[np.ndarray, "*rows columns"]) -> Float[np.ndarray, "*rows columns"]:
    """The numbers rounded to the multiples of 1/24 that they stand for.

    Raises:
        ValueError: They are none.
    """
    rounded = np.round(matrix * DENOMINATOR) / DENOMINATOR
    if not np.allclose(rounded, matrix, rtol=0, atol=1e-4):
        raise ValueError(f"not all numbers are multiples of 1/{DENOMINATOR}: {matrix.tolist()}")
    return rounded


def first_alike(rows: Int[np.ndarray, "rows columns"]) -> Int[np.ndarray, " rows"]:
    """The first row that equals each row."""
    return (rows[:, None] == rows).all(axis=-1).argmax(axis=1)
