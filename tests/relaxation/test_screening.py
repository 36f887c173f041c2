import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.screening import (
    MAX_LENGTH,
    MAX_VOLUME,
    MIN_DISTANCE,
    MIN_SPACING,
    MIN_VOLUME,
    absurd_cells,
    nearest_distance,
    why_not,
    why_not_cell,
    why_not_positions,
)

KNOWN = frozenset(range(1, 95))


def crystal(lattice, frac_coords=((0.0, 0.0, 0.0),), atomic_numbers=None):
    frac_coords = np.array(frac_coords)
    numbers = [14] * len(frac_coords) if atomic_numbers is None else atomic_numbers
    return Crystal("x", np.array(lattice, dtype=float), frac_coords, np.array(numbers))


SHEARED_FLAT = [[5.0, 0, 0], [150.0, 0.3, 0], [0, 0, 20.0]]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (crystal(4 * np.eye(3), [[0, 0, 0], [0.1, 0, 0]]), "overlapping atoms: 0.40 Å"),
        (crystal(4 * np.eye(3), [[0.02, 0, 0], [0.98, 0, 0]]), "overlapping atoms: 0.16 Å"),
        (crystal(4 * np.eye(3), [[0.5, 0.5, 0.5]] * 2), "overlapping atoms: 0.00 Å"),
        (crystal(np.diag([0.4, 6, 6])), "absurd cell: 0.4 Å between lattice planes"),
        (crystal([[6, 0, 0], [6, 0.2, 0.4], [0, 0, 100]]), "absurd cell: 0.2 Å between lattice planes"),
        (crystal(np.eye(3)), "absurd cell: 1 Å³ per atom"),
        (crystal(9 * np.eye(3)), "absurd cell: 729 Å³ per atom"),
        (crystal(np.diag([1000.0, 3, 3])), "absurd cell: an edge of 1000 Å"),
        (crystal(SHEARED_FLAT), "absurd cell: 0.01 Å between lattice planes"),
        (crystal(np.zeros((3, 3))), "absurd cell: 0 Å³ per atom"),
        (crystal(np.full((3, 3), np.nan)), "absurd cell: not finite"),
        (crystal(np.diag([np.inf, 3, 3])), "absurd cell: not finite"),
        (crystal(3 * np.eye(3), [[0, np.nan, 0]]), "absurd positions: not finite"),
        (crystal(3 * np.eye(3), atomic_numbers=[95]), "unsupported element: Am"),
        (crystal(3 * np.eye(3), atomic_numbers=[0]), "unsupported element: Z=0"),
        (crystal(3 * np.eye(3), atomic_numbers=[200]), "unsupported element: Z=200"),
        (crystal(3 * np.eye(3), np.empty((0, 3))), "no atoms"),
    ],
)
def test_absurd_geometry_is_named(bad, reason):
    assert why_not(bad, KNOWN).startswith(reason)


@pytest.mark.parametrize(
    "good",
    [
        crystal(2.6 * np.eye(3)),
        crystal(-2.6 * np.eye(3)),
        crystal(np.diag([3.0, 3.0, 120.0]), [[0, 0, 0], [0, 0, 0.2], [0, 0, 0.4]]),
        crystal([[3.0, 0, 0], [9.0, 3.0, 0], [0, 0, 3.0]]),
    ],
)
def test_sane_geometry_passes(good):
    assert why_not(good, KNOWN) == ""


def test_nearest_distance_sees_through_the_walls_of_a_sheared_cell():
    lattice = np.array([[6.0, 0, 0], [5.5, 2.5, 0], [0, 0, 5.0]])
    expected = np.linalg.norm(lattice[1] - lattice[0])
    assert nearest_distance(np.zeros((1, 3)), lattice, 4.0) == pytest.approx(expected)
    assert nearest_distance(np.zeros((1, 3)), lattice, 1.0) == np.inf


@pytest.mark.parametrize("sign", [1, -1], ids=["sane", "absurd"])
@pytest.mark.parametrize(
    ("lattice", "num_atoms"),
    [
        (np.diag([MAX_LENGTH, 3.0, 3.0]), 10),
        (np.diag([MIN_VOLUME, 1.0, 5.0]), 5),
        (np.diag([MAX_VOLUME / 25, 5.0, 5.0]), 1),
        (np.diag([9.0, MIN_SPACING, 9.0]), 3),
    ],
    ids=["longest", "densest", "sparsest", "thinnest"],
)
def test_cells_at_the_edge_of_reason(lattice, num_atoms, sign):
    is_largest = lattice.max() in (MAX_LENGTH, MAX_VOLUME / 25)
    edge = lattice * (1 - sign * 1e-6 if is_largest else 1 + sign * 1e-6)
    assert bool(why_not_cell(edge, num_atoms)) == (sign < 0)
    assert absurd_cells(edge[None], np.array([num_atoms])).tolist() == [sign < 0]


def test_many_cells_are_judged_like_each():
    random = np.random.default_rng(0)
    lattices = np.exp(random.normal(size=(300, 1, 1))) * random.normal(size=(300, 3, 3)) * 4
    lattices[::50, 1] = np.nan
    lattices[1::50, 2] = np.inf
    lattices[2::50] = 0.0
    num_atoms = random.integers(1, 20, 300)
    with np.errstate(invalid="ignore"):
        judged = absurd_cells(lattices, num_atoms)
    expected = [
        bool(why_not_cell(lattice, number)) for lattice, number in zip(lattices, num_atoms.tolist(), strict=True)
    ]
    assert judged.tolist() == expected
    assert 20 < sum(expected) < 280


def test_no_cells_are_judged():
    assert absurd_cells(np.empty((0, 3, 3)), np.empty(0)).tolist() == []


@pytest.mark.parametrize(("gap", "overlap"), [(0.99 * MIN_DISTANCE, True), (1.01 * MIN_DISTANCE, False)])
def test_atoms_may_come_just_so_near(gap, overlap):
    near = crystal(4 * np.eye(3), [[0.9, 0, 0], [0.9 + gap / 4, 0, 0]])
    assert bool(why_not_positions(near)) == overlap
