"""Which atoms of a crystal are bonded, and which bonds enclose an angle."""

from dataclasses import dataclass

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres


@dataclass(frozen=True)
class BondGraph:
    """The bonds of a crystal, each once, seen from both of its ends, and the angles between short ones.

    Attributes:
        first: (bonds,) atom where the bond begins.
        second: (bonds,) atom where it ends.
        vectors: (bonds, 3) from the first atom to the image of the second, in Å.
        angle_atom: (angles,) atom at the vertex.
        angle_ends: (angles, 2) the two bond ends there; end b is bond b seen from its first atom and
            end `bonds` + b the same bond seen from its second.
    """

    first: np.ndarray
    second: np.ndarray
    vectors: np.ndarray
    angle_atom: np.ndarray
    angle_ends: np.ndarray


def bond_graph(positions: np.ndarray, lattice: np.ndarray, cutoff: float, angle_cutoff: float) -> BondGraph:
    """The graph of atoms at `positions`: bonds up to `cutoff`, angles between bonds up to `angle_cutoff`; all in Å."""
    positions, lattice = np.ascontiguousarray(positions), np.ascontiguousarray(lattice)
    periodic = np.ones(3, dtype=np.int64)
    first, second, images, lengths = find_points_in_spheres(
        positions, positions, r=cutoff, pbc=periodic, lattice=lattice, tol=1e-8
    )
    once = _seen_from_one_end(first, second, images) & (lengths > 1e-8)
    first, second, images, lengths = first[once], second[once], images[once], lengths[once]
    vectors = positions[second] + images @ lattice - positions[first]
    angle_atom, angle_ends = _angles(first, second, lengths < angle_cutoff)
    return BondGraph(first, second, vectors, angle_atom, angle_ends)


def _seen_from_one_end(first: np.ndarray, second: np.ndarray, images: np.ndarray) -> np.ndarray:
    """True for one of the two directions in which a neighbour list holds every bond."""
    x, y, z = images.T
    forward = np.where(x != 0, x > 0, np.where(y != 0, y > 0, z > 0))
    return (first < second) | ((first == second) & forward)


def _angles(first: np.ndarray, second: np.ndarray, short: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ordered pairs of different short bond ends at the same atom."""
    ends = np.flatnonzero(np.concatenate([short, short]))
    atoms = np.concatenate([first, second])[ends]
    shared = atoms[:, None] == atoms
    np.fill_diagonal(shared, False)
    one, other = np.nonzero(shared)
    return atoms[one], np.stack([ends[one], ends[other]], axis=1)
