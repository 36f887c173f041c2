"""What a picture of a crystal shows: atoms with their images on the cell's faces, nearest-neighbour bonds, the cell."""

from itertools import product
from typing import Any

import numpy as np
import spglib
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from jaxtyping import Float
from pymatgen.core import Element

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import SYMMETRY_TOLERANCE

MAX_ATOMS = 80
"""A conventional cell of more atoms is shown as the cell that was relaxed."""

_FACE_TOLERANCE = 0.05
_BOND_TOLERANCE = 1.12
_CORNERS = np.array(list(product((0, 1), repeat=3)))
_EDGES = [(i, j) for i, j in product(range(8), repeat=2) if i < j and np.abs(_CORNERS[i] - _CORNERS[j]).sum() == 1]
_IMAGES = np.array(list(product((-1, 0, 1), repeat=3)))


def structure_view(crystal: Crystal) -> dict[str, Any]:
    """Atoms by element, bonds and cell edges in Å about the cell's centre, as plain values for the page."""
    lattice, frac_coords, atomic_numbers = conventional_cell(crystal)
    lattice = upright(lattice)
    nearest = _nearest_distances(lattice, frac_coords)
    shown, of_atom = with_images(frac_coords, lattice)
    centre = np.full(3, 0.5) @ lattice
    positions = shown @ lattice - centre
    corners = _CORNERS @ lattice - centre
    return {
        "atoms": [_element(int(z), positions[atomic_numbers[of_atom] == z]) for z in np.unique(atomic_numbers)],
        "bonds": [positions[list(pair)].round(3).tolist() for pair in bonds(positions, nearest[of_atom])],
        "edges": [corners[list(edge)].round(3).tolist() for edge in _EDGES],
        "origin": corners[0].round(3).tolist(),
        "axes": (corners[[4, 2, 1]]).round(3).tolist(),
    }


def conventional_cell(crystal: Crystal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lattice, fractional coordinates and atomic numbers of the conventional cell; atoms stay where they relaxed."""
    cell = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    try:
        found = spglib.standardize_cell(cell, to_primitive=False, no_idealize=True, symprec=SYMMETRY_TOLERANCE)
    except spglib.SpglibError:
        return cell
    if found is None or len(found[2]) > max(MAX_ATOMS, crystal.num_atoms):
        return cell
    lattice, frac_coords, atomic_numbers = (np.asarray(part) for part in found)
    return lattice, np.mod(frac_coords, 1.0), atomic_numbers


def upright(lattice: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The lattice turned (never mirrored) so that c points up along z and a lies in the xz plane."""
    z = lattice[2] / np.linalg.norm(lattice[2])
    y = np.cross(z, lattice[0])
    y /= np.linalg.norm(y)
    return lattice @ np.stack([np.cross(y, z), y, z], axis=1)


def with_images(
    frac_coords: Float[np.ndarray, "atoms 3"], lattice: Float[np.ndarray, "3 3"]
) -> tuple[np.ndarray, np.ndarray]:
    """All periodic images that lie in the cell or on its faces, and the index of the atom that each repeats."""
    tolerance = _FACE_TOLERANCE / np.linalg.norm(lattice, axis=1)
    images = frac_coords[:, None] + _IMAGES
    inside = np.all((images > -tolerance) & (images < 1 + tolerance), axis=-1)
    return images[inside], np.nonzero(inside)[0]


def bonds(positions: Float[np.ndarray, "atoms 3"], nearest: Float[np.ndarray, " atoms"]) -> list[tuple[int, int]]:
    """Pairs in which each atom is, within a tolerance, a nearest neighbour of the other."""
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    limit = _BOND_TOLERANCE * np.minimum(nearest[:, None], nearest)
    first, second = np.nonzero(np.triu(distances <= limit, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _nearest_distances(lattice: np.ndarray, frac_coords: np.ndarray) -> np.ndarray:
    separations = frac_coords[:, None, None] - frac_coords[None, :, None] + _IMAGES
    distances = np.linalg.norm(separations @ lattice, axis=-1).reshape(len(frac_coords), -1)
    return np.where(distances > 1e-3, distances, np.inf).min(axis=1)


def look(atomic_number: int) -> dict[str, Any]:
    """The colour of an element and the radius in Å that it is drawn with."""
    red, green, blue = (round(255 * float(part)) for part in jmol_colors[atomic_number])
    return {
        "color": f"#{red:02x}{green:02x}{blue:02x}",
        "radius": round(0.42 * float(covalent_radii[atomic_number]), 3),
    }


def _element(atomic_number: int, positions: np.ndarray) -> dict[str, Any]:
    symbol = Element.from_Z(atomic_number).symbol
    return {"symbol": symbol, **look(atomic_number), "positions": positions.round(3).tolist()}
