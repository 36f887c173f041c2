"""Is this geometry one that a potential can be asked about?"""

from collections.abc import Set

import numpy as np
from ase.data import chemical_symbols
from pymatgen.optimization.neighbors import find_points_in_spheres

from sunflow.crystals.crystal import Crystal

MIN_DISTANCE = 0.5
"""Å; nearer atoms, or images of an atom, overlap."""
MIN_VOLUME, MAX_VOLUME = 2.0, 500.0
"""Å³ per atom; diamond has 5.7, caesium 115."""
MAX_LENGTH = 200.0
"""Å; the longest cell of MPTS-52 is about half of it."""
MIN_SPACING = 0.5
"""Å between the lattice planes; a thinner cell has thousands of images within a potential's cutoff."""


def why_not(crystal: Crystal, atomic_numbers: Set[int]) -> str:
    """Why the crystal cannot be evaluated by a potential for these elements, as a phrase; empty if it can be."""
    if crystal.num_atoms == 0:
        return "no atoms"
    unknown = sorted(set(crystal.atomic_numbers.tolist()) - atomic_numbers)
    if unknown:
        return f"unsupported element: {', '.join(_symbol(number) for number in unknown)}"
    return why_not_cell(crystal.lattice, crystal.num_atoms) or why_not_positions(crystal)


def why_not_cell(lattice: np.ndarray, num_atoms: int) -> str:
    """Why a cell (rows a, b, c in Å) is absurd; empty if it is not."""
    if not np.isfinite(lattice).all():
        return "absurd cell: not finite"
    longest, volume, spacing = (measure.item() for measure in _measures(lattice[None], np.array([num_atoms])))
    if longest > MAX_LENGTH:
        return f"absurd cell: an edge of {longest:.4g} Å, more than {MAX_LENGTH:g}"
    if not MIN_VOLUME <= volume <= MAX_VOLUME:
        return f"absurd cell: {volume:.3g} Å³ per atom, not between {MIN_VOLUME:g} and {MAX_VOLUME:g}"
    if spacing < MIN_SPACING:
        return f"absurd cell: {spacing:.2g} Å between lattice planes, less than {MIN_SPACING:g}"
    return ""


def absurd_cells(lattices: np.ndarray, num_atoms: np.ndarray) -> np.ndarray:
    """For each of many cells (crystals, 3, 3), whether `why_not_cell` has something to say."""
    longest, volume, spacing = _measures(lattices, num_atoms)
    sane = (longest <= MAX_LENGTH) & (volume >= MIN_VOLUME) & (volume <= MAX_VOLUME) & (spacing >= MIN_SPACING)
    return ~sane


def _measures(lattices: np.ndarray, num_atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longest edge (Å), volume per atom (Å³) and smallest distance between lattice planes (Å)."""
    faces = np.cross(np.roll(lattices, -1, axis=-2), np.roll(lattices, -2, axis=-2))
    volume = np.abs((lattices[..., 0, :] * faces[..., 0, :]).sum(axis=-1))
    largest_face = np.linalg.norm(faces, axis=-1).max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.linalg.norm(lattices, axis=-1).max(axis=-1), volume / num_atoms, volume / largest_face


def why_not_positions(crystal: Crystal) -> str:
    """Why the positions of a crystal with a sane cell are absurd; empty if they are not."""
    if not np.isfinite(crystal.frac_coords).all():
        return "absurd positions: not finite"
    distance = nearest_distance(crystal.frac_coords, crystal.lattice, 2 * MIN_DISTANCE)
    if distance < MIN_DISTANCE:
        return f"overlapping atoms: {distance:.2f} Å apart, less than {MIN_DISTANCE:g}"
    return ""


def nearest_distance(frac_coords: np.ndarray, lattice: np.ndarray, radius: float) -> float:
    """The smallest distance below `radius` (Å) between two atoms or an atom and its own image; infinity if none."""
    positions = np.ascontiguousarray(frac_coords @ lattice)
    periodic = np.ones(3, dtype=np.int64)
    first, second, images, distances = find_points_in_spheres(
        positions, positions, r=radius, pbc=periodic, lattice=np.ascontiguousarray(lattice), tol=0.0
    )
    others = (first != second) | (images != 0).any(axis=1)
    return float(distances[others].min(initial=np.inf))


def _symbol(atomic_number: int) -> str:
    return chemical_symbols[atomic_number] if 0 < atomic_number < len(chemical_symbols) else f"Z={atomic_number}"
