"""Crystals to and from pymatgen, and into files for people."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pymatgen.core import Composition, Element, Lattice, Structure
from pymatgen.io.cif import CifWriter

from sunflow.atomic import atomic_path
from sunflow.crystals.crystal import Crystal, Property, wrapped

SYMMETRY_TOLERANCE = 0.1
"""Å; generated and relaxed crystals keep their symmetry only roughly."""


def to_structure(crystal: Crystal) -> Structure:
    """The crystal as a pymatgen structure."""
    return Structure(Lattice(crystal.lattice), crystal.atomic_numbers.tolist(), crystal.frac_coords)


def from_structure(crystal_id: str, structure: Structure, **properties: Property) -> Crystal:
    """The crystal of an ordered pymatgen structure; coordinates are wrapped into [0, 1)."""
    frac_coords = wrapped(structure.frac_coords)
    return Crystal(
        crystal_id, structure.lattice.matrix, frac_coords, np.array(structure.atomic_numbers), properties=properties
    )


def composition(crystal: Crystal) -> Composition:
    """Its composition."""
    return Composition(
        {
            Element.from_Z(int(z)): int(n)
            for z, n in zip(*np.unique(crystal.atomic_numbers, return_counts=True), strict=True)
        }
    )


def reduced_formula(crystal: Crystal) -> str:
    """Its reduced formula (`NaN` is sodium nitride); empty for a crystal without atoms."""
    return composition(crystal).reduced_formula if crystal.num_atoms else ""


def space_group(crystal: Crystal, tolerance: float = SYMMETRY_TOLERANCE) -> int | None:
    """International number of its space group at a tolerance in Å, or None where spglib finds none."""
    import spglib

    cell = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    try:
        dataset = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except spglib.SpglibError:
        return None
    return None if dataset is None else int(dataset.number)


def write_cif_zip(path: Path, crystals: Sequence[Crystal]) -> None:
    """A zip archive with one CIF per crystal, named by its `crystal_id`."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for crystal in crystals:
            entry = zipfile.ZipInfo(f"{crystal.crystal_id}.cif", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, str(CifWriter(to_structure(crystal))))


def write_extended_xyz(path: Path, crystals: Sequence[Crystal]) -> None:
    """Extended XYZ with the `crystal_id` and the properties of every crystal in its comment line."""
    from ase.io import write
    from pymatgen.io.ase import AseAtomsAdaptor

    frames = []
    for crystal in crystals:
        atoms = AseAtomsAdaptor.get_atoms(to_structure(crystal), msonable=False)
        known = {name: value for name, value in crystal.properties.items() if value is not None}
        atoms.info = {"crystal_id": crystal.crystal_id, **known}
        frames.append(atoms)
    with atomic_path(path) as temporary:
        temporary.touch()
        if frames:
            write(temporary, frames, format="extxyz")
