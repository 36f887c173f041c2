"""Niggli cells."""

import numpy as np
import pytest
from cifs import cif
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.niggli import reduce_entry
from sunflow.crystals.sources import Entry
from sunflow.crystals.structures import from_structure, to_structure

PEROVSKITE = Structure(
    Lattice.from_parameters(3.9, 4.1, 4.3, 88, 91, 94),
    ["Ba", "Ti", "O", "O", "O"],
    [[0, 0, 0], [0.5, 0.5, 0.52], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.48]],
)
QUARTZ = Structure.from_spacegroup(
    "P3_221", Lattice.hexagonal(4.91, 5.40), ["Si", "O"], [[0.47, 0, 2 / 3], [0.413, 0.266, 0.786]]
)
FACE_CENTRED = Structure(Lattice([[0, 2, 2], [2, 0, 2], [2, 2, 0]]), ["Cu"], [[0.3, 0.4, 0.6]])
SHEARS = [
    np.eye(3),
    [[1, 2, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 1, 3], [0, 1, -2], [0, 0, 1]],
    [[0, 1, 0], [1, 0, 0], [2, 0, 1]],
]


def reduce(content, max_atoms=20):
    return reduce_entry(Entry("x", content, {"gap": 1.5}), max_atoms)


def sheared(structure, matrix):
    """The same crystal in another cell of the same volume, turned in space."""
    lattice = np.array(matrix) @ structure.lattice.matrix
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    cart_coords = structure.cart_coords @ (rotation * np.linalg.det(rotation))
    turned = Lattice(lattice @ (rotation * np.linalg.det(rotation)))
    return Structure(turned, structure.species, cart_coords, coords_are_cartesian=True)


@pytest.mark.parametrize("shear", SHEARS)
@pytest.mark.parametrize("structure", [PEROVSKITE, QUARTZ, FACE_CENTRED])
def test_the_same_crystal_in_its_shortest_cell(structure, shear):
    reduced = reduce(from_structure("x", sheared(structure, shear)))
    assert reduced.status == "ok" and reduced.properties == {"gap": 1.5}
    found = to_structure(reduced)
    assert StructureMatcher(primitive_cell=False, scale=False).fit(found, structure)
    expected = sorted(structure.get_reduced_structure("niggli").lattice.abc)
    np.testing.assert_allclose(sorted(found.lattice.abc), expected, rtol=1e-6)
    np.testing.assert_allclose(
        np.sort(found.distance_matrix, axis=None), np.sort(structure.distance_matrix, axis=None), atol=1e-6
    )


def test_handedness_is_kept():
    """Quartz is left or right; its mirror image is another crystal."""
    reduced = to_structure(reduce(from_structure("x", QUARTZ)))
    assert np.linalg.det(reduced.lattice.matrix) > 0
    assert reduced.get_space_group_info(symprec=1e-3)[0] == "P3_221"


@pytest.mark.parametrize("structure", [PEROVSKITE, QUARTZ, FACE_CENTRED])
def test_orientation_and_coordinates(structure):
    reduced = reduce(from_structure("x", structure))
    np.testing.assert_allclose(reduced.lattice, Lattice.from_parameters(*Lattice(reduced.lattice).parameters).matrix)
    assert reduced.lattice[0, 1] == reduced.lattice[2, 0] == reduced.lattice[2, 1] == 0
    assert (reduced.frac_coords >= 0).all() and (reduced.frac_coords < 1).all()


def test_a_reduced_cell_stays():
    once = reduce(from_structure("x", QUARTZ))
    twice = reduce(once)
    np.testing.assert_allclose(twice.lattice, once.lattice, atol=1e-8)


def test_it_is_not_made_primitive():
    cubic = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]])
    assert reduce(from_structure("x", cubic)).num_atoms == 4


def test_sodium_nitride():
    reduced = reduce(cif())
    assert sorted(reduced.atomic_numbers) == [7, 11]
    assert reduced.volume == pytest.approx(3.1 * 4.2 * 5.3)


@pytest.mark.parametrize("symbol", ["D", "T", "H"])
def test_isotopes_of_hydrogen_are_hydrogen(symbol):
    assert sorted(reduce(cif((symbol, 0, 0, 0, 1), ("O", 0.5, 0.5, 0.5, 1))).atomic_numbers) == [1, 8]


def test_oxidation_states_are_no_hindrance():
    assert sorted(reduce(cif(("Na+", 0, 0, 0, 1), ("Cl-", 0.5, 0.5, 0.5, 1))).atomic_numbers) == [11, 17]


HOSTILE = {
    "nothing": ("", "parse failure"),
    "garbage": ("\x00\xffsomething else", "parse failure"),
    "an HTML page": ("<!DOCTYPE html><html></html>", "parse failure"),
    "cut short": (cif()[:300], "parse failure"),
    "no atoms": (cif().rpartition("occupancy\n")[0] + "occupancy\n", "parse failure"),
    "two structures": (cif() + cif(a=9).replace("data_crystal", "data_other"), "parse failure"),
    "coordinates that are no numbers": (cif(("Na", "nan", 0, 0, 1), ("N", 0.5, 0.5, 0.5, 1)), "parse failure"),
    "unknown coordinates": (cif(("Na", "?", 0, 0, 1), ("N", 0.5, 0.5, 0.5, 1)), "parse failure"),
    "atoms in one place": (cif(("Na", 0, 0, 0, 1), ("N", 0, 0, 0, 1)), "parse failure"),
    "a length that is no number": (cif(a="nan"), "non-finite"),
    "an infinite length": (cif(a="inf"), "non-finite"),
    "a flat cell": (cif(alpha=0), "non-finite"),
    "no volume": (cif(a=0.0), "parse failure"),
    "almost no volume": (cif(a=1e-3), "parse failure"),
    "a vast cell": (cif(a=1e9), "absurd volume"),
    "vacancies": (cif(("Na", 0, 0, 0, 0.5), ("N", 0.5, 0.5, 0.5, 1)), "partial occupancy"),
    "a mixed site": (cif(("Na", 0, 0, 0, 0.5), ("K", 0, 0, 0, 0.5), ("N", 0.5, 0.5, 0.5, 1)), "partial occupancy"),
    "an unknown element": (cif(("Qq", 0, 0, 0, 1), ("N", 0.5, 0.5, 0.5, 1)), "unknown element"),
    "a placeholder": (cif(("X", 0, 0, 0, 1), ("N", 0.5, 0.5, 0.5, 1)), "unknown element"),
    "many atoms": (cif(*(("C", x / 21, 0, 0, 1) for x in range(21)), a=63), "too many atoms"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_crystal_that_cannot_be_used_says_why(name):
    content, reason = HOSTILE[name]
    dropped = reduce(content)
    assert dropped.status == "failed" and dropped.num_atoms == 0
    assert dropped.reason.partition(":")[0] == reason
    assert "\n" not in dropped.reason
    assert (dropped.crystal_id, dropped.properties) == ("x", {"gap": 1.5})


@pytest.mark.parametrize(
    ("lattice", "frac_coords", "reason"),
    [
        (np.full((3, 3), np.nan), [[0, 0, 0]], "non-finite"),
        (np.eye(3) * 4, [[np.nan, 0, 0]], "non-finite"),
        (np.zeros((3, 3)), [[0, 0, 0]], "absurd volume"),
        (np.diag([4.0, 4.0, 0.0]), [[0, 0, 0]], "absurd volume"),
    ],
)
def test_hostile_numbers(lattice, frac_coords, reason):
    dropped = reduce(Crystal("x", lattice, np.array(frac_coords, dtype=float), np.array([6])))
    assert dropped.reason.partition(":")[0] == reason


def test_a_failed_crystal_stays_failed():
    assert reduce(Crystal.failure("x", "no")).status == "failed"


def test_the_limit_counts_atoms_of_the_whole_cell():
    assert reduce(cif(), max_atoms=2).status == "ok"
    assert reduce(cif(), max_atoms=1).reason.startswith("too many atoms: 2")
