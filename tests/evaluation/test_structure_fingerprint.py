"""Structure fingerprints against matminer's, on real crystals and on awkward ones."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

import sunflow.crystals.demo
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.npz_files import entries_of_npz
from sunflow.crystals.sources import read_entries
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.evaluation import structure_fingerprint as module
from sunflow.evaluation.near_neighbors import DegenerateError
from sunflow.evaluation.structure_fingerprint import site_fingerprints, structure_fingerprint

DATA = Path(__file__).parents[2].parent / "shared/data"
SOURCES = [f"{name}/test.csv.gz" for name in ("mp_20", "mpts_52", "perov_5", "carbon_24")]
SOURCES.append("generated/diffcsp_mp20_10000_samples.npz")
HEXAGONAL = np.array([[2.46, 0, 0], [-1.23, 2.13042, 0], [0, 0, 20]])
PAIR = [[0, 0, 0], [0.5, 0.5, 0.5]]
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def matminer():
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    return CrystalNNFingerprint.from_preset("ops")


def theirs(matminer, crystal):
    structure = to_structure(crystal)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array([matminer.featurize(structure, site) for site in range(len(structure))])


def crystal_of(edges, frac_coords, atomic_numbers):
    lattice = np.diag(np.broadcast_to(edges, 3)) if np.ndim(edges) < 2 else edges
    return Crystal("a", lattice, np.array(frac_coords, dtype=float), np.array(atomic_numbers))


def random_crystal(num_atoms, random=RANDOM):
    lattice = 4 * np.eye(3) * (num_atoms / 4) ** (1 / 3) + random.normal(0, 0.4, (3, 3))
    return Crystal("a", lattice, random.random((num_atoms, 3)), random.integers(1, 90, num_atoms))


def of_source(place, count):
    path = DATA / place
    entries = entries_of_npz(path) if path.suffix == ".npz" else read_entries(path, "material_id", "cif", {})
    chosen = [entry.content for entry in entries[:: len(entries) // count]][:count]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [
            each if isinstance(each, Crystal) else from_structure("a", Structure.from_str(each, fmt="cif"))
            for each in chosen
        ]


AWKWARD = {
    "one atom": crystal_of(3, [[0, 0, 0]], [84]),
    "one atom, far from its images": crystal_of(30, [[0, 0, 0]], [11]),
    "a sheet of single atoms": crystal_of([3, 3, 30], [[0, 0, 0]], [6]),
    "a chain": crystal_of([2, 30, 30], [[0.1, 0.2, 0.3]], [6]),
    "atoms on a line": crystal_of(4, [[0, 0, 0], [0.25, 0, 0], [0.5, 0, 0]], [11, 17, 8]),
    "graphene": crystal_of(HEXAGONAL, [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]], [6, 6]),
    "a slab": crystal_of([3, 3, 40], [[0, 0, 0.5], [0.5, 0.5, 0.52], [0, 0, 0.54]], [13, 13, 13]),
    "a molecule": crystal_of(12, [[0.5, 0.5, 0.5], [0.55, 0.5, 0.5], [0.5, 0.56, 0.5]], [8, 1, 1]),
    "isolated atoms": crystal_of(20, PAIR, [11, 17]),
    "noble gases": crystal_of(9, PAIR, [2, 10]),
    "a huge thin cell": crystal_of([40, 40, 1.5], [[0, 0, 0], [0.3, 0.4, 0.5]], [11, 17]),
    "a needle": crystal_of(np.array([[5, 0, 0], [4.99, 0.5, 0], [0, 0, 5]]), PAIR, [11, 17]),
    "a sheared cell": crystal_of(np.array([[3, 0, 0], [30, 3, 0], [0, 0, 3]]), PAIR, [11, 17]),
    "a left-handed cell": crystal_of(np.diag([4.0, 4, 4])[[0, 2, 1]], PAIR, [11, 17]),
    "two atoms in one place": crystal_of(4, [[0, 0, 0], [0, 0, 0]], [11, 17]),
    "overlapping atoms, 1e-9": crystal_of(4, [[0, 0, 0], [1e-9, 0, 0], [0.5, 0.45, 0.4]], [11, 17, 8]),
    "overlapping atoms, 1e-3": crystal_of(4, [[0, 0, 0], [1e-3, 0, 0], [0.5, 0.45, 0.4]], [11, 17, 8]),
    "cubes": crystal_of(4.1, PAIR, [55, 17]),
    "close-packed": crystal_of(3.6, [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], [29] * 4),
    "angles of 135°": crystal_of([4, 4, 9], [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0]], [6, 7, 8, 9]),
    "dense": crystal_of(1, [[0, 0, 0]], [1]),
    "coordinates outside of the cell": crystal_of(4, [[0, 0, 0], [1.5, -0.5, 2.45]], [11, 17]),
    "unordered": random_crystal(14),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_crystals(name, matminer):
    np.testing.assert_allclose(site_fingerprints(AWKWARD[name]), theirs(matminer, AWKWARD[name]), rtol=0, atol=1e-7)


def test_demo_crystals(matminer):
    crystals = read_crystals(Path(sunflow.crystals.demo.__path__[0]) / "demo.parquet")
    for crystal in crystals[:: len(crystals) // 20]:
        expected = theirs(matminer, crystal).mean(axis=0)
        assert expected.shape == (61,)
        np.testing.assert_allclose(structure_fingerprint(crystal), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("place", SOURCES)
def test_real_and_generated_crystals(place, matminer):
    if not (DATA / place).exists():
        pytest.skip(f"needs ../shared/data/{place}")
    for crystal in of_source(place, 8):
        np.testing.assert_allclose(site_fingerprints(crystal), theirs(matminer, crystal), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("crystal", "why"),
    [
        (crystal_of(4, PAIR, [97, 8]), "Bk has neither"),
        (crystal_of(4, PAIR, [119, 8]), "119"),
        (crystal_of(4, PAIR, [0, 8]), "0"),
        (crystal_of(4, [[0, 0, 0], [np.nan, 0, 0]], [11, 17]), "not a number"),
        (crystal_of([4, 4, np.inf], PAIR, [11, 17]), "not a number"),
        (crystal_of([4, 4, 0], PAIR, [11, 17]), "less than 0.1"),
        (crystal_of(np.array([[4, 0, 0], [0, 4, 0], [4, 4, 0.0]]), PAIR, [11, 17]), "less than 0.1"),
    ],
)
def test_what_fails_there_fails_here(crystal, why, matminer):
    with pytest.raises((ValueError, TypeError, ZeroDivisionError)):
        theirs(matminer, crystal)
    with pytest.raises(ValueError, match=f"a has no structure fingerprint: .*{why}"):
        structure_fingerprint(crystal)


@pytest.mark.parametrize("crystal", [Crystal.failure("a", "no"), crystal_of([900, 0.8, 0.8], PAIR, [11, 17])])
def test_what_has_no_atoms_or_too_many_has_no_fingerprint(crystal):
    with pytest.raises(ValueError, match="a has no structure fingerprint"):
        structure_fingerprint(crystal)


def test_neither_turning_nor_another_cell_nor_order_matters():
    crystal = random_crystal(6)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    order = np.random.default_rng(2).permutation(6)
    doubled = to_structure(crystal) * (2, 1, 1)
    expected = structure_fingerprint(crystal)
    for other in (
        Crystal("a", crystal.lattice @ turn, crystal.frac_coords, crystal.atomic_numbers),
        Crystal("a", crystal.lattice, crystal.frac_coords[order], crystal.atomic_numbers[order]),
        from_structure("a", doubled),
    ):
        np.testing.assert_allclose(structure_fingerprint(other), expected, rtol=0, atol=1e-7)


def test_the_cheap_way_says_the_same(monkeypatch):
    crystals = [random_crystal(n) for n in (2, 5, 9)]
    cheap = [site_fingerprints(crystal) for crystal in crystals]
    monkeypatch.setattr(module, "simple_faces", lambda *_: None)
    for crystal, expected in zip(crystals, cheap, strict=True):
        np.testing.assert_allclose(site_fingerprints(crystal), expected, rtol=0, atol=1e-9)


def test_degenerate_atoms_are_left_to_matminer(monkeypatch, matminer):
    def degenerate(*_):
        raise DegenerateError("a face has no area")

    crystal = AWKWARD["cubes"]
    monkeypatch.setattr(module, "coordination", degenerate)
    np.testing.assert_array_equal(site_fingerprints(crystal), theirs(matminer, crystal))
