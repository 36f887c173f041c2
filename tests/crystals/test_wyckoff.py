"""Projection onto Wyckoff positions against brute force over images and lattice shifts; who takes which position."""

import itertools

import numpy as np
import pytest
import torch
from space_group_tables import all_positions, lattice_for, points_on, spglib_operations, tables

from sunflow.crystals.full_cell import full_cell
from sunflow.crystals.projection import project
from sunflow.crystals.space_groups import LETTERS
from sunflow.crystals.wyckoff import CLOSEST, MAX_ROUNDS, settle

SHIFTS = np.array(list(itertools.product((-1, 0, 1), repeat=3)))


def nearest_by_force(number, position, point, lattice):
    """The distance from a point to the nearest point of any image of a position, in Å."""
    affine = tables().positions[position].numpy()
    rotations, translations = spglib_operations(number)
    directions = rotations @ affine[:, :3]
    origins = rotations @ affine[:, 3] + translations
    away = point - origins
    away = (away - np.round(away))[:, None] + SHIFTS
    cartesian, along = away @ lattice, np.swapaxes(directions, 1, 2) @ lattice
    inside = np.linalg.pinv(along) @ along
    return np.linalg.norm(cartesian - cartesian @ inside, axis=-1).min()


def in_orbit(number, point, of, lattice, distance):
    """Whether an operation of the group brings a point to this distance from another one."""
    rotations, translations = spglib_operations(number)
    away = rotations @ point + translations - of
    distances = np.linalg.norm(((away - np.round(away))[:, None] + SHIFTS) @ lattice, axis=-1)
    return np.isclose(distances, distance, atol=1e-6).any()


def test_projection_is_the_nearest_point_of_all_images():
    random = np.random.default_rng(0)
    space_group, wyckoff = all_positions()
    chosen = torch.tensor(random.permutation(len(space_group))[:400])
    groups, positions = space_group[chosen], tables().position(space_group, wyckoff)[chosen]
    lattices = torch.stack([lattice_for(number, random) for number in groups.tolist()])
    points = torch.tensor(random.uniform(size=(len(chosen), 3)))
    projected = project(tables(), groups, positions, points, lattices)
    assert ((projected.frac_coords >= 0) & (projected.frac_coords < 1)).all()
    maps = tables().positions[positions].numpy()
    rows = zip(groups.tolist(), positions.tolist(), points.numpy(), lattices.numpy(), maps, strict=True)
    for (number, position, point, lattice, affine), found, distance in zip(
        rows, projected.frac_coords.numpy(), projected.distance.tolist(), strict=True
    ):
        assert distance == pytest.approx(nearest_by_force(number, position, point, lattice), abs=1e-9)
        assert in_orbit(number, found, point, lattice, distance)
        steps = np.array(list(itertools.product(range(-4, 5), repeat=3))) @ tables().primitive[number].numpy()
        away = found - affine[:, 3] + steps
        onto = affine[:, :3] @ np.linalg.pinv(affine[:, :3])
        assert np.abs(away - away @ onto.T).max(axis=1).min() < 1e-12


def test_equivalent_points_are_equally_far():
    """An operation of the group changes neither the distance nor the orbit."""
    random = np.random.default_rng(1)
    for number, letter in ((225, 8), (194, 9), (166, 6), (62, 2), (15, 4), (122, 3), (205, 2)):
        lattice = lattice_for(number, random)
        rotations, translations = spglib_operations(number)
        point = random.uniform(size=3)
        images = torch.tensor(rotations @ point + translations)
        groups = torch.full((len(images),), number)
        positions = tables().position(groups, torch.full_like(groups, letter))
        found = project(tables(), groups, positions, images, lattice.expand(len(images), 3, 3))
        assert torch.allclose(found.distance, found.distance[0], atol=1e-6)
        assert in_orbit(number, found.frac_coords[-1].numpy(), point, lattice.numpy(), float(found.distance[0]))


def certain(space_group, wyckoff, probability=0.9):
    """Log-probabilities of somebody who is rather sure of these positions."""
    operations = tables().site_symmetry(space_group, wyckoff)
    others = torch.full((len(wyckoff), 15, 13), (1 - probability) / 12, dtype=torch.float64)
    return others.scatter(2, operations[..., None], probability).log()


def settled(numbers, num_atoms, frac_coords, log_probabilities, lattice):
    coordinates = torch.as_tensor(frac_coords, dtype=torch.float64).reshape(-1, 3)
    return settle(
        tables(), torch.tensor(numbers), torch.tensor(num_atoms), coordinates, log_probabilities, lattice.double()
    )


def test_every_position_is_found_again_from_its_site_symmetry_and_a_point():
    space_group, wyckoff = all_positions()
    random = np.random.default_rng(2)
    lattice = torch.stack([lattice_for(number, random, 60, 80) for number in space_group.tolist()])
    points = points_on(tables().position(space_group, wyckoff))
    moves = torch.tensor(random.normal(size=(len(points), 3))) * 3e-4
    ones = torch.ones_like(space_group)
    found = settle(tables(), space_group, ones, points + moves, certain(space_group, wyckoff), lattice)
    assert torch.equal(found.wyckoff, wyckoff)
    assert not found.moved.any()
    crystals = full_cell(tables(), space_group, lattice, found.frac_coords, found.wyckoff, ones, ones, 192)
    assert not crystals.failures
    cells = 1 / torch.linalg.det(tables().primitive[space_group])
    assert torch.equal(
        crystals.num_atoms * cells.round().long(), tables().multiplicity[tables().position(space_group, wyckoff)]
    )


def settled_by_hand(number, frac_coords, log_probabilities, lattice):
    """The same choice in plain Python, one atom and one position after another."""
    count = int(tables().num_positions(torch.tensor(number)))
    positions = range(int(tables().first_position[number]), int(tables().first_position[number]) + count)
    rotations, translations = spglib_operations(number)
    wishes = []
    for point, table in zip(frac_coords, log_probabilities, strict=True):
        options = []
        for letter, position in enumerate(positions):
            row = tables().site_symmetries[position].tolist()
            score = round(sum(float(table[axis, operation]) for axis, operation in enumerate(row)), 9)
            distance = nearest_by_force(number, position, point.numpy(), lattice.numpy())
            one = project(tables(), torch.tensor([number]), torch.tensor([position]), point[None], lattice[None])
            moves = rotations @ one.frac_coords[0].numpy() + translations - one.frac_coords[0].numpy()
            near = np.linalg.norm((moves - np.round(moves)) @ lattice.numpy(), axis=1) < CLOSEST
            clash = near.sum() * int(tables().multiplicity[position]) > len(rotations)
            options.append((-score, round(distance, 9), letter, clash, one.frac_coords[0].numpy()))
        wishes.append(sorted(options, key=lambda option: option[:3]))
    order = sorted(range(len(wishes)), key=lambda atom: wishes[atom][0][0])
    banned = set()
    for _ in range(MAX_ROUNDS):
        taken, choices = set(), {}
        for atom in order:
            free = [
                wish for wish in wishes[atom] if not wish[3] and wish[2] not in taken and (atom, wish[2]) not in banned
            ]
            choices[atom] = (free or wishes[atom])[0], not free or free[0] is not wishes[atom][0]
            if int(tables().degrees_of_freedom[positions[choices[atom][0][2]]]) == 0:
                taken.add(choices[atom][0][2])
        close = set()
        for place, surer in enumerate(order):
            for other in order[place + 1 :]:
                moves = rotations @ choices[surer][0][4] + translations - choices[other][0][4]
                if (np.linalg.norm((moves - np.round(moves)) @ lattice.numpy(), axis=1) < CLOSEST).any():
                    close.add((other, choices[other][0][2]))
        banned |= close
        if not close:
            break
    return [(choices[atom][0][2], choices[atom][1]) for atom in range(len(wishes))]


def test_a_batch_settles_as_crystals_do_by_hand():
    random = np.random.default_rng(3)
    torch.manual_seed(0)
    numbers = [2, 10, 12, 47, 62, 69, 123, 139, 148, 166, 187, 194, 216, 221, 225, 227]
    num_atoms = random.integers(1, 7, len(numbers)).tolist()
    lattice = torch.stack([lattice_for(number, random, 3, 6) for number in numbers])
    points = torch.tensor(random.uniform(size=(sum(num_atoms), 3)))
    tables_of_atoms = torch.log_softmax(2 * torch.randn(len(points), 15, 13, dtype=torch.float64), -1)
    found = settled(numbers, num_atoms, points, tables_of_atoms, lattice)
    expected, start = [], 0
    for number, size, cell in zip(numbers, num_atoms, lattice, strict=True):
        rows = slice(start, start + size)
        expected += settled_by_hand(number, points[rows], tables_of_atoms[rows], cell)
        start += size
    assert list(zip(found.wyckoff.tolist(), found.moved.tolist(), strict=True)) == expected
    assert 0 < found.moved.sum() < len(points)


def test_centres_of_inversion_are_taken_once_and_the_surest_is_first():
    lattice = 6 * torch.eye(3)[None]
    groups, centre = torch.full((2,), 2), torch.zeros(2, dtype=torch.int64)
    sure = torch.cat([certain(groups[:1], centre[:1], p) for p in (0.6, 0.9)])
    found = settled([2], [2], [[0.02, 0.0, 0.0], [0.0, 0.03, 0.01]], sure, lattice)
    assert LETTERS[found.wyckoff[1]] == "a"
    assert found.frac_coords[1].tolist() == [0, 0, 0]
    assert found.frac_coords[0].tolist() == [0.5, 0, 0]
    assert found.moved.tolist() == [True, False]
    nine = settled([2], [9], torch.full((9, 3), 0.2), certain(groups[:1], centre[:1]).expand(9, 15, 13), lattice)
    assert sorted(nine.wyckoff.tolist()) == list(range(9))
    assert nine.moved.sum() == 8


def test_an_atom_too_near_to_a_surer_one_moves():
    """Both would be on the axis of P4mm, 0.1 Å apart: the less sure one takes the position that is next best for it."""
    groups, axes = torch.full((2,), 99), torch.zeros(2, dtype=torch.int64)
    sure = torch.cat([certain(groups[:1], axes[:1], p) for p in (0.6, 0.9)])
    found = settled([99], [2], [[0.3, 0.0, 0.42], [0.02, 0.0, 0.40]], sure, 5 * torch.eye(3)[None])
    assert found.moved.tolist() == [True, False]
    assert LETTERS[found.wyckoff[1]] == "a" and LETTERS[found.wyckoff[0]] != "a"


def test_lines_hold_several_atoms():
    groups, axes = torch.full((3,), 99), torch.zeros(3, dtype=torch.int64)
    points = [[0.1, 0.0, 0.1], [0.0, 0.05, 0.4], [0.02, 0.0, 0.8]]
    found = settled([99], [3], points, certain(groups, axes), 5 * torch.eye(3)[None])
    assert found.wyckoff.tolist() == [0, 0, 0]
    assert not found.moved.any()
    assert torch.allclose(found.frac_coords, torch.tensor([[0, 0, 0.1], [0, 0, 0.4], [0, 0, 0.8]]).double())


@pytest.mark.parametrize(("height", "letter"), [(0.2, "a"), (0.3, "c")])
def test_an_atom_beside_a_mirror_moves_onto_it(height, letter):
    """Pm, of which the mirrors are at y = 0 and y = 1/2; the mirror's own image would be at twice the height."""
    lattice = torch.tensor([[5.0, 0, 0], [0, 8, 0], [-0.5, 0, 6]])[None]
    general = certain(torch.tensor([6]), torch.tensor([2]))
    found = settled([6], [1], [[0.3, -height / 8, 0.4]], general, lattice)
    assert LETTERS[found.wyckoff[0]] == letter
    assert bool(found.moved[0]) == (letter == "a")
    assert float(found.frac_coords[0, 1]) * 8 == pytest.approx(0 if letter == "a" else 8 - height)


def test_where_no_position_is_left_the_atom_stays_and_the_crystal_fails():
    """Its images are closer than allowed on every position of so small a cell."""
    lattice = 0.4 * torch.eye(3)[None]
    found = settled([1], [1], [[0.1, 0.2, 0.3]], certain(torch.tensor([1]), torch.tensor([0])), lattice)
    assert found.wyckoff.tolist() == [0]
    groups, fixed = torch.full((2,), 228), torch.zeros(2, dtype=torch.int64)
    tiny = settled([228], [2], torch.rand(2, 3), certain(groups, fixed), 1.2 * torch.eye(3)[None])
    assert tiny.moved.any()
    ones = torch.ones(2, dtype=torch.int64)
    built = full_cell(
        tables(), groups[:1], 1.2 * torch.eye(3)[None], tiny.frac_coords.float(), tiny.wyckoff, ones, ones[:1] * 2, 999
    )
    assert list(built.failures) == [0]


def test_hostile_numbers_pass_and_leave_others_alone():
    torch.manual_seed(1)
    lattice = torch.stack([4 * torch.eye(3), torch.full((3, 3), torch.nan), 1e30 * torch.eye(3), 5 * torch.eye(3)])
    points = torch.rand(4, 3, dtype=torch.float64)
    points[0, 0], points[2] = torch.nan, 1e300
    log_probabilities = torch.log_softmax(torch.randn(4, 15, 13), -1)
    log_probabilities[1] = torch.nan
    log_probabilities[2] = -torch.inf
    found = settled([225, 194, 14, 221], [1] * 4, points, log_probabilities, lattice)
    assert not found.frac_coords[0].isfinite().any()
    alone = settled([221], [1], points[3:], log_probabilities[3:], lattice[3:])
    assert torch.equal(found.frac_coords[3:], alone.frac_coords)
    assert torch.equal(found.wyckoff[3:], alone.wyckoff)
