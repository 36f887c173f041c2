"""The verdicts of StructureMatcher by a shorter way; the oracle is StructureMatcher on the crystals as given."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.evaluation.comparison import Comparer, Failure
from sunflow.evaluation.matching import best_first, duplicates, matched, nearest_first, repeats
from sunflow.evaluation.reduced import formula_units, may_match, reduced, reduced_or_why, successive_minima

NUMBERS = [(11, 17), (11, 11, 17, 17), (6, 6, 6, 6), (22, 22, 8, 8, 8, 8), (20, 22, 8, 8, 8)]


def random_crystal(name, numbers, random):
    """Any cell, any positions."""
    lengths, angles = random.uniform(2.5, 6, 3), random.uniform(60, 120, 3)
    lattice = Lattice.from_parameters(*lengths, *angles).matrix
    return Crystal(name, lattice, random.random((len(numbers), 3)), np.array(numbers))


def strained(crystal, random, size):
    lattice = crystal.lattice @ (np.eye(3) + size * random.normal(size=(3, 3)))
    return replace(crystal, lattice=lattice)


def moved(crystal, random, size):
    """By so many Å, all atoms, and as a whole by anything."""
    moves = size * random.normal(size=(crystal.num_atoms, 3)) @ np.linalg.inv(crystal.lattice)
    return replace(crystal, frac_coords=np.mod(crystal.frac_coords + moves + random.random(3), 1.0))


def permuted(crystal, random, _):
    order = random.permutation(crystal.num_atoms)
    changed = {"frac_coords": crystal.frac_coords[order], "atomic_numbers": crystal.atomic_numbers[order]}
    return replace(crystal, **changed)


def other_cell(crystal, random, _):
    """The same crystal in another cell, at times a larger one, and turned."""
    matrix = [[[1, 1, 0], [0, 1, 0], [0, -1, 1]], [[1, 0, 0], [0, 2, 0], [0, 0, 1]]][random.integers(2)]
    structure = to_structure(crystal)
    structure.make_supercell(matrix)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    numbers = np.array(structure.atomic_numbers)
    return Crystal(crystal.crystal_id, structure.lattice.matrix @ turn, structure.frac_coords % 1.0, numbers)


def scaled(crystal, random, _):
    return replace(crystal, lattice=random.uniform(0.5, 2) * crystal.lattice)


def pairs(count):
    """Crystals of the same formula: changed by different amounts, or unrelated."""
    random = np.random.default_rng(0)
    changes = (strained, moved, permuted, other_cell, scaled)
    for index in range(count):
        numbers = NUMBERS[index % len(NUMBERS)]
        first = random_crystal("first", numbers, random)
        second = random_crystal("second", numbers, random) if index % 3 == 0 else replace(first, crystal_id="second")
        for change in random.permutation(changes)[: 1 + index % 3]:
            second = change(second, random, random.choice([0.01, 0.05, 0.1, 0.2]))
        yield first, second


@pytest.fixture(scope="module")
def asked():
    """Pairs in both orders, reduced, and what StructureMatcher says of them."""
    matcher = StructureMatcher()
    return [
        (one, two, reduced(one), reduced(two), bool(matcher.fit(to_structure(one), to_structure(two))))
        for pair in pairs(300)
        for one, two in (pair, pair[::-1])
    ]


def test_the_shorter_way_ends_at_the_same_verdict(asked):
    comparer = Comparer()
    for one, two, first, second, verdict in asked:
        assert comparer.same(first, second) is verdict, (one, two)
    assert not comparer.failures


def test_no_match_is_filtered_out(asked):
    assert all(may_match(first, second) for _, _, first, second, verdict in asked if verdict)


def test_the_pairs_are_a_test(asked):
    """Of the pairs that do not match, some pass the filter and some do not; many match."""
    passed = [may_match(first, second) for _, _, first, second, verdict in asked if not verdict]
    assert 40 < sum(passed) < len(passed) - 40
    assert 100 < len(asked) - len(passed)
    sizes = [(first.crystal.num_atoms, one.num_atoms) for one, _, first, _, _ in asked]
    assert sum(small < large for small, large in sizes) > 20


def test_the_displacement_is_that_of_the_crystals_as_they_came(asked):
    comparer, matcher = Comparer(), StructureMatcher()
    for one, two, first, second, verdict in asked[::7]:
        if verdict:
            expected = matcher.get_rms_dist(to_structure(one), to_structure(two))[0]
            assert comparer.displacement(first, second) == pytest.approx(expected, abs=1.1e-5)


def test_successive_minima_of_any_cell():
    random = np.random.default_rng(1)
    places = np.array(list(itertools.product(range(-6, 7), repeat=3)))
    for _ in range(40):
        matrix = 0.5 * random.normal(size=(3, 3)) + 3 * np.eye(3)
        skewed = np.array([[1, random.integers(-2, 3), 0], [0, 1, random.integers(-2, 3)], [0, 0, 1]]) @ matrix
        lengths = np.linalg.norm(places @ matrix, axis=1)
        chosen = []
        for index in np.argsort(lengths, kind="stable")[1:]:
            if np.linalg.matrix_rank(places[[*chosen, index]]) > len(chosen):
                chosen.append(index)
        np.testing.assert_allclose(successive_minima(Lattice(skewed)), lengths[chosen[:3]], rtol=1e-9)


def test_only_cells_of_several_formula_units_are_made_smaller():
    random = np.random.default_rng(2)
    assert [formula_units(random_crystal("a", numbers, random)) for numbers in NUMBERS] == [1, 2, 4, 2, 1]
    assert (
        reduced(other_cell(random_crystal("a", (11, 17), random), np.random.default_rng(1), 0)).crystal.num_atoms == 2
    )


def test_a_crystal_that_is_none_says_why():
    crystal = random_crystal("a", (11, 17), np.random.default_rng(0))
    flat = replace(crystal, lattice=np.diag([3.0, 3.0, 0.0]))
    assert reduced_or_why(flat) == "no primitive cell: ValueError: the cell has less than 0.1 Å³"
    unknown = replace(crystal, lattice=np.full((3, 3), np.nan))
    assert "not finite" in reduced_or_why(unknown)


def chain(*shifts):
    """Crystals in which one of two atoms is shifted by so many Å: those match that differ by less than 2.4 Å."""
    lattice = np.diag([8.0, 4.0, 4.0])
    return [
        Crystal(f"c{index}", lattice, np.array([[0, 0, 0], [0.5 + shift / 8, 0.5, 0.5]]), np.array([11, 17]))
        for index, shift in enumerate(shifts)
    ]


def test_a_match_of_a_match_need_not_match():
    """The first two match, and the last two, but not the first and the last: the order decides."""
    cells = [reduced(crystal) for crystal in chain(0.0, 1.5, 3.0)]
    verdicts = {(i, j): Comparer().same(cells[i], cells[j]) for i, j in itertools.permutations(range(3), 2)}
    assert [verdicts[pair] for pair in ((1, 0), (2, 1), (2, 0))] == [True, True, False]
    assert repeats(cells, Comparer()) == {"c1": "c0"}
    assert repeats(cells[::-1], Comparer()) == {"c1": "c2"}
    assert matched(cells, {"c1": "c0"}, Comparer()) == {"c0", "c1", "c2"}


@pytest.mark.parametrize("seed", range(4))
def test_what_matches_any_other_by_all_pairs_in_both_orders(seed):
    random = np.random.default_rng(seed)
    group = [reduced(moved(crystal, random, 0.02)) for crystal in chain(*random.uniform(0, 4, 12))]
    same = {(a.crystal_id, b.crystal_id) for a, b in itertools.permutations(group, 2) if Comparer().same(a, b)}
    found = repeats(group, Comparer())
    assert matched(group, found, Comparer()) == {name for pair in same for name in pair}
    representatives = []
    for crystal in group:
        first = next((name for name in representatives if (crystal.crystal_id, name) in same), None)
        assert found.get(crystal.crystal_id) == first
        representatives += [crystal.crystal_id] if first is None else []


def test_the_best_come_first():
    crystals = chain(0, 0, 0, 0)
    assert [one.crystal_id for one in best_first(crystals, [None, 0.2, -0.1, 0.2])] == ["c2", "c1", "c3", "c0"]


def test_duplicates_name_the_better_one():
    crystals = [*chain(0.0, 0.1, 3.0, 3.5), random_crystal("other", (11, 9), np.random.default_rng(0))]
    assert duplicates(crystals, [0.3, 0.1, None, 0.0, 0.0]) == {"c0": "c1", "c2": "c3"}


def test_what_is_no_crystal_repeats_none_and_is_told_of(caplog):
    crystals = chain(0.0, 0.1)
    broken = replace(crystals[1], lattice=np.zeros((3, 3)))
    assert duplicates([crystals[0], broken], [0.0, 0.0]) == {}
    assert "c1 could not be compared with the others: no primitive cell" in caplog.text
    assert "1 comparisons gave no verdict" in caplog.text


def test_known_crystals_by_their_distance():
    cells = [reduced(crystal) for crystal in chain(0.0, 0.5, 0.2, 0.2)]
    found = nearest_first(cells[0], {"train": cells[1:3], "test": cells[3:]}, Comparer())
    assert [(name, split) for _, name, split in found] == [("c2", "train"), ("c3", "test"), ("c1", "train")]
    assert nearest_first(cells[0], {"train": cells[1:2]}, Comparer()) == [(0.0, "c1", "train")]


def test_what_cannot_be_compared_is_remembered_with_both_names(monkeypatch):
    first, second = (reduced(crystal) for crystal in chain(0.0, 0.1))
    comparer = Comparer(given_up={("c1", "c0"): "the process died"})

    def broken(*_, **__):
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(comparer.matcher, "fit", broken)
    assert comparer.same(first, second) is False and comparer.same(second, first) is False
    assert comparer.failures == [
        Failure("c0", "c1", "ZeroDivisionError: float division by zero"),
        Failure("c1", "c0", "the process died"),
    ]


def test_a_comparison_may_not_take_for_ever(monkeypatch):
    first, second = (reduced(crystal) for crystal in chain(0.0, 0.1))
    comparer = Comparer()

    def slow(*_, **__):
        while True:
            pass

    monkeypatch.setattr(comparer.matcher, "fit", slow)
    monkeypatch.setattr("sunflow.evaluation.comparison.MAX_SECONDS", 0.05)
    assert comparer.same(first, second) is False
    assert str(comparer.failures[0]) == ("c0 could not be compared with c1: TimeoutError: more than 0.05 s of CPU time")
