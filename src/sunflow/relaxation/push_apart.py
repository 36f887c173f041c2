"""Push overlapping atoms apart before a potential is asked about them."""

from dataclasses import replace

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from sunflow.crystals.crystal import Crystal, wrapped

DISTANCE = 1.0
"""Å; bonds between other atoms than hydrogen are longer."""
MAX_ROUNDS = 200
MARGIN = 1.01
"""Atoms are pushed a little farther than they must be, and a cell that overlaps its own images grows by as much."""
ANY_DIRECTION = np.array([0.8, 0.53, 0.28])
"""For atoms in one place; without symmetry."""


def pushed_apart(crystal: Crystal) -> Crystal:
    """The crystal with all atoms at least `DISTANCE` apart, or as it was where that cannot be had.

    In every round, each two atoms that are too near go half the missing way each, along the line between them.
    """
    frac_coords, lattice = crystal.frac_coords, crystal.lattice
    is_finite = np.isfinite(frac_coords).all() and np.isfinite(lattice).all()
    if not (is_finite and crystal.num_atoms > 0 and crystal.volume > 0):
        return crystal
    for _ in range(MAX_ROUNDS):
        first, second, vectors = _near_pairs(frac_coords @ lattice, lattice)
        if not len(first):
            return replace(crystal, lattice=lattice, frac_coords=wrapped(frac_coords))
        lengths = np.linalg.norm(vectors, axis=1)
        missing = (DISTANCE * MARGIN - lengths) / np.maximum(lengths, 1e-3)
        moves = np.zeros_like(frac_coords)
        np.add.at(moves, first, -vectors * missing[:, None] / 2)
        frac_coords = frac_coords + moves @ np.linalg.inv(lattice)
        lattice = lattice * (MARGIN if (first == second).any() else 1.0)
    return crystal


def _near_pairs(positions: np.ndarray, lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of atoms nearer than `DISTANCE`, seen from both, and the vectors from the first to the second."""
    lattice = np.ascontiguousarray(lattice)
    periodic = np.ones(3, dtype=np.int64)
    first, second, images, _ = find_points_in_spheres(
        positions, positions, r=DISTANCE, pbc=periodic, lattice=lattice, tol=0.0
    )
    others = (first != second) | (images != 0).any(axis=1)
    first, second, images = first[others], second[others], images[others]
    vectors = positions[second] + images @ lattice - positions[first]
    in_one_place = np.linalg.norm(vectors, axis=1) < 1e-3
    vectors[in_one_place] = 1e-3 * np.sign(second - first)[in_one_place, None] * ANY_DIRECTION
    return first, second, vectors
