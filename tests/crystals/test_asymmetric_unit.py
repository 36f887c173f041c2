"""Asymmetric units: built again, found in any cell, as PyXtal finds them."""

import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pyxtal import pyxtal
from space_group_tables import spglib_operations, tables
from test_full_cell import PROTOTYPES, random_crystals

import sunflow.crystals.demo
from sunflow.crystals.asymmetric_unit import asymmetric_unit
from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.full_cell import full_cell
from sunflow.crystals.sources import read_entries
from sunflow.crystals.space_groups import LETTERS
from sunflow.crystals.structures import from_structure, space_group, to_structure

MP20 = Path(__file__).parents[2].parent / "shared/data/mp_20/test.csv.gz"
DEMO = Path(sunflow.crystals.demo.__path__[0]) / "demo.parquet"


def prototype(name):
    _, symbol, parameters, sites = PROTOTYPES[name]
    elements, _, points = zip(*sites, strict=True)
    structure = Structure.from_spacegroup(symbol, Lattice.from_parameters(*parameters), elements, points)
    return from_structure(name, structure, band_gap=1.5)


def built_again(units):
    batch = CrystalBatch.from_crystals(units)
    crystals = full_cell(
        tables(),
        batch.space_group,
        batch.lattice,
        batch.frac_coords,
        batch.wyckoff,
        batch.atomic_numbers,
        batch.num_atoms,
        999,
    )
    return crystals.to_crystals([unit.crystal_id for unit in units])


def orbits_of(unit):
    """How often there is an orbit of so many points in the conventional cell, of an element."""
    first = int(tables().first_position[unit.properties["space_group"]])
    letters = [LETTERS.index(letter) for letter in unit.properties["wyckoff"]]
    multiplicities = tables().multiplicity[first + torch.tensor(letters)].tolist()
    return Counter(zip(multiplicities, unit.atomic_numbers.tolist(), strict=True))


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes(name):
    number, _, parameters, sites = PROTOTYPES[name]
    crystal = prototype(name)
    unit = asymmetric_unit(crystal, tables())
    assert (unit.status, unit.properties["space_group"], unit.properties["band_gap"]) == ("ok", number, 1.5)
    assert unit.num_atoms == len(unit.properties["wyckoff"]) == len(sites)
    conventional = Structure(Lattice(unit.lattice), unit.atomic_numbers, unit.frac_coords).lattice
    assert conventional.volume == pytest.approx(Lattice.from_parameters(*parameters).volume)
    (again,) = built_again([unit])
    assert again.num_atoms == unit.properties["num_atoms"] == len(to_structure(crystal).get_primitive_structure())
    assert StructureMatcher().fit(to_structure(crystal), to_structure(again))
    assert space_group(again) == number


def test_the_setting_is_that_of_the_tables():
    """Diamond in origin choice 2; rhombohedral crystals in hexagonal axes; unique axis b."""
    face_centred = 5.43 / 2 * (np.ones((3, 3)) - np.eye(3))
    silicon = Crystal("silicon", face_centred, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), np.array([14, 14]))
    unit = asymmetric_unit(silicon, tables())
    assert (unit.properties["space_group"], unit.properties["wyckoff"] in "ab") == (227, True)
    assert set((8 * unit.frac_coords).round(9).ravel() % 2) == {1.0}
    corundum = asymmetric_unit(prototype("corundum"), tables())
    assert Lattice(corundum.lattice).parameters == pytest.approx((4.76, 4.76, 12.99, 90, 90, 120))
    alpha, beta, gamma = Lattice(asymmetric_unit(prototype("monoclinic"), tables()).lattice).angles
    assert (alpha, gamma) == pytest.approx((90, 90)) and beta > 91


@pytest.mark.parametrize("name", PROTOTYPES)
def test_the_cell_that_it_came_in_does_not_matter(name):
    """Turned, sheared, shifted, in another order of atoms: the same group, orbits and cell."""
    unit, structure = asymmetric_unit(prototype(name), tables()), to_structure(prototype(name))
    random = np.random.default_rng(0)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    shear = np.array([[1, 1, 0], [0, 1, 0], [-1, 0, 1]])
    lattice = shear @ structure.lattice.matrix
    order = random.permutation(len(structure))
    points = (structure.frac_coords @ np.linalg.inv(shear) + random.uniform(size=3))[order]
    other = Structure(Lattice(lattice @ turn), np.array(structure.atomic_numbers)[order], points)
    found = asymmetric_unit(from_structure("other", other), tables())
    assert (found.status, found.properties["space_group"]) == ("ok", unit.properties["space_group"])
    assert orbits_of(found) == orbits_of(unit)
    assert np.allclose(np.linalg.det(found.lattice), np.linalg.det(unit.lattice))
    assert StructureMatcher().fit(to_structure(built_again([found])[0]), structure)


def test_the_same_crystal_gives_the_same_numbers():
    first, second = (asymmetric_unit(prototype("forsterite"), tables()).to_record() for _ in range(2))
    assert first == second


def test_all_groups_are_found_again():
    """Random crystals of every group, with three orbits in general positions."""
    numbers = list(range(1, 231))
    crystals, _ = random_crystals(numbers)
    for number, crystal in zip(numbers, crystals.to_crystals([str(number) for number in numbers]), strict=True):
        unit = asymmetric_unit(crystal, tables(), symprec=1e-3)
        assert (unit.reason, unit.properties.get("space_group")) == ("", number)
        general = int(tables().num_positions(torch.tensor(number))) - 1
        assert unit.properties["wyckoff"] == 3 * LETTERS[general]
        assert unit.properties["num_atoms"] == crystal.num_atoms


@pytest.mark.parametrize("name", PROTOTYPES)
def test_the_atom_nearest_to_the_middle_stands_for_its_orbit(name):
    unit = asymmetric_unit(prototype(name), tables())
    rotations, translations = spglib_operations(unit.properties["space_group"])
    assert ((unit.frac_coords >= 0) & (unit.frac_coords < 1)).all()
    for point in unit.frac_coords:
        orbit = np.mod(rotations @ point + translations + 1e-9, 1) - 1e-9
        assert np.linalg.norm(point - 0.5) <= np.linalg.norm(orbit - 0.5, axis=1).min() + 2e-3


def test_failures_have_reasons_and_keep_the_properties():
    long = Crystal(
        "long",
        np.diag([4.0, 4.1, 101.0]),
        np.array([[0, 0, 0], [0.1, 0.2, 0.3]]),
        np.array([6, 8]),
        properties={"gap": 1.0},
    )
    nothing = Crystal("nothing", 3 * np.eye(3), np.zeros((2, 3)), np.array([6, 6]))
    gone = Crystal.failure("gone", "parse failure: no atoms")
    units = [asymmetric_unit(crystal, tables()) for crystal in (long, nothing, gone)]
    assert [unit.status for unit in units] == ["failed"] * 3
    assert units[0].reason == "long cell: 101.0 Å, more than 100"
    assert units[0].properties == {"gap": 1.0}
    assert units[1].reason.startswith("no space group: ")
    assert units[2] is gone


def test_a_rough_crystal_becomes_symmetric():
    """Noise below the tolerance is averaged out; a tight tolerance leaves no symmetry."""
    crystal = prototype("rutile")
    noise = 0.01 * np.random.default_rng(0).uniform(-1, 1, size=(crystal.num_atoms, 3)) @ np.linalg.inv(crystal.lattice)
    rough = replace(crystal, frac_coords=np.mod(crystal.frac_coords + noise, 1))
    unit = asymmetric_unit(rough, tables(), symprec=0.1)
    assert unit.properties["space_group"] == 136
    assert asymmetric_unit(rough, tables(), symprec=1e-4).properties["space_group"] == 1
    (again,) = built_again([unit])
    assert StructureMatcher().fit(to_structure(again), to_structure(crystal))


def from_pyxtal(crystal):
    """Group and orbits as PyXtal's `from_seed` finds them."""
    found = pyxtal()
    found.from_seed(to_structure(crystal), tol=0.1)
    assert found.valid
    return found.group.number, Counter(
        (site.wp.multiplicity, Structure(np.eye(3), [site.specie], [[0, 0, 0]])[0].specie.Z)
        for site in found.atom_sites
    )


def test_pyxtal_finds_the_same_orbits():
    crystals = [*map(prototype, PROTOTYPES), *read_crystals(DEMO)[:6]]
    for crystal in crystals:
        unit = asymmetric_unit(crystal, tables())
        assert (unit.properties["space_group"], orbits_of(unit)) == from_pyxtal(crystal)


@pytest.mark.skipif(not MP20.exists(), reason="needs ../shared/data/mp_20")
def test_real_crystals_are_built_again():
    entries = read_entries(MP20, "material_id", "cif", {})[::301]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crystals = [from_structure(each.crystal_id, Structure.from_str(each.content, fmt="cif")) for each in entries]
    units = [asymmetric_unit(crystal, tables()) for crystal in crystals]
    assert {unit.reason.partition(":")[0] for unit in units} <= {"", "long cell"}
    pairs = [(crystal, unit) for crystal, unit in zip(crystals, units, strict=True) if unit.status == "ok"]
    matcher = StructureMatcher()
    for (crystal, unit), again in zip(pairs, built_again([unit for _, unit in pairs]), strict=True):
        assert matcher.fit(to_structure(crystal), to_structure(again)), crystal.crystal_id
        assert again.num_atoms == unit.properties["num_atoms"]
