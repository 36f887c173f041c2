"""NumPy archives of generated crystals, as DiffCSP and its relatives write them."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sunflow.crystals.crystal import Crystal, wrapped
from sunflow.crystals.lattice import lattice_from_parameters
from sunflow.crystals.sources import Entry

ARRAYS = ("num_atoms", "atom_types", "frac_coords", "lengths", "angles")
SINGULAR = 1e-6
"""Share of the volume of a cell of these lengths with right angles; less is no cell."""


def entries_of_npz(path: Path) -> list[Entry]:
    """One nameless entry per crystal; the rows of `atom_types` and `frac_coords` follow one another crystal by crystal.

    Lengths are in Å, angles in degrees, types are atomic numbers. Nothing is unpickled.

    Raises:
        ValueError: An array is missing, holds Python objects, or has not as many rows as `num_atoms` says.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if missing := [name for name in ARRAYS if name not in archive]:
                raise ValueError(f"no array {missing[0]!r} among {', '.join(archive) or 'none'}")
            arrays = {name: archive[name] for name in ARRAYS}
    except (ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no archive of the arrays {', '.join(ARRAYS)}: {error}") from error
    _check(path, arrays)
    return [Entry("", crystal) for crystal in _crystals(**arrays)]


def _check(path: Path, arrays: dict[str, np.ndarray]) -> None:
    if arrays["num_atoms"].ndim != 1 or not np.issubdtype(arrays["num_atoms"].dtype, np.integer):
        raise ValueError(f"{path}: num_atoms is no list of whole numbers")
    num_crystals, num_atoms = len(arrays["num_atoms"]), int(arrays["num_atoms"].sum())
    shapes = {
        "num_atoms": (num_crystals,),
        "atom_types": (num_atoms,),
        "frac_coords": (num_atoms, 3),
        "lengths": (num_crystals, 3),
        "angles": (num_crystals, 3),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.issubdtype(arrays[name].dtype, np.number):
            found = f"{arrays[name].dtype} of shape {arrays[name].shape}"
            raise ValueError(f"{path}: {name} is {found}, where num_atoms wants numbers of shape {shape}")


def _crystals(
    num_atoms: np.ndarray, atom_types: np.ndarray, frac_coords: np.ndarray, lengths: np.ndarray, angles: np.ndarray
) -> Iterator[Crystal]:
    lattices = lattice_from_parameters(torch.from_numpy(lengths).double(), torch.from_numpy(angles).double()).numpy()
    ends = np.cumsum(num_atoms)[:-1]
    atoms = zip(np.split(atom_types, ends), np.split(frac_coords.astype(float), ends), strict=True)
    for lattice, length, angle, (atomic_numbers, coordinates) in zip(lattices, lengths, angles, atoms, strict=True):
        reason = _defect(length, angle, coordinates) or ("" if len(atomic_numbers) else "no atoms")
        if reason:
            yield Crystal.failure("", reason)
        else:
            yield Crystal("", lattice, wrapped(coordinates), atomic_numbers)


def _defect(lengths: np.ndarray, angles: np.ndarray, frac_coords: np.ndarray) -> str:
    """Why these numbers are no cell with atoms; empty where they are."""
    if not all(np.isfinite(numbers).all() for numbers in (lengths, angles, frac_coords)):
        return "non-finite: lattice or coordinates"
    if not (lengths > 0).all():
        return f"absurd cell: lengths {lengths.tolist()} Å"
    cosines = np.cos(np.radians(angles.astype(float)))
    if 1 + 2 * cosines.prod() - (cosines**2).sum() < SINGULAR**2:
        return f"absurd cell: no cell has the angles {angles.tolist()}"
    return ""
