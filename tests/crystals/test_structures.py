import zipfile

import numpy as np
import pytest
from ase.io import read
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import (
    composition,
    from_structure,
    reduced_formula,
    space_group,
    to_structure,
    write_cif_zip,
    write_extended_xyz,
)


def crystal_of(crystal_id, lattice, frac_coords, atomic_numbers, **rest):
    return Crystal(crystal_id, lattice, np.array(frac_coords, dtype=float), np.array(atomic_numbers), **rest)


ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
NITRIDE = crystal_of("nitride", np.eye(3) * 4, [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 7], properties={"band_gap": None})


def test_there_and_back():
    crystal = from_structure("salt", ROCK_SALT, band_gap=8.5)
    assert crystal.properties == {"band_gap": 8.5}
    assert to_structure(crystal) == ROCK_SALT


def test_coordinates_are_wrapped():
    structure = Structure(Lattice.cubic(4), ["Na", "Cl"], [[-0.25, 1.0, 2.75], [-1e-20, 0.5, 0.999]])
    frac_coords = from_structure("x", structure).frac_coords
    np.testing.assert_allclose(frac_coords, [[0.75, 0, 0.75], [0, 0.5, 0.999]], atol=1e-12)
    assert (frac_coords >= 0).all() and (frac_coords < 1).all()


def test_formulas():
    assert composition(from_structure("salt", ROCK_SALT)).formula == "Na4 Cl4"
    assert reduced_formula(from_structure("salt", ROCK_SALT)) == "NaCl"
    assert reduced_formula(NITRIDE) == "NaN"
    assert reduced_formula(Crystal.failure("x", "no")) == ""


def test_space_group():
    crystal = from_structure("salt", ROCK_SALT)
    assert space_group(crystal) == 225
    frac_coords = crystal.frac_coords.copy()
    frac_coords[0, 0] += 0.005
    moved = crystal_of("moved", crystal.lattice, frac_coords, crystal.atomic_numbers)
    assert space_group(moved) == 225
    assert space_group(moved, tolerance=1e-3) != 225
    assert space_group(crystal_of("same", np.eye(3), [[0, 0, 0], [0, 0, 0]], [11, 11])) is None


def test_cifs(tmp_path):
    path = tmp_path / "crystals.zip"
    write_cif_zip(path, [from_structure("salt", ROCK_SALT), NITRIDE])
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["salt.cif", "nitride.cif"]
        found = Structure.from_str(archive.read("salt.cif").decode(), fmt="cif")
    assert found.matches(ROCK_SALT)
    first = path.read_bytes()
    write_cif_zip(path, [from_structure("salt", ROCK_SALT), NITRIDE])
    assert path.read_bytes() == first


@pytest.mark.parametrize("crystals", [[], [from_structure("salt", ROCK_SALT, energy_above_hull=-0.1), NITRIDE]])
def test_extended_xyz(tmp_path, crystals):
    path = tmp_path / "crystals.extxyz"
    write_extended_xyz(path, crystals)
    frames = read(path, index=":") if crystals else []
    assert path.exists() and len(frames) == len(crystals)
    for atoms, crystal in zip(frames, crystals, strict=True):
        assert atoms.info["crystal_id"] == crystal.crystal_id
        assert atoms.numbers.tolist() == crystal.atomic_numbers.tolist()
        np.testing.assert_allclose(atoms.cell.array, crystal.lattice, atol=1e-7)
    if crystals:
        assert frames[0].info["energy_above_hull"] == -0.1 and "band_gap" not in frames[1].info
