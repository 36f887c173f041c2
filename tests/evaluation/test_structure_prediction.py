"""Predicted structures against those that their compositions have."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.niggli import reduce_entry
from sunflow.crystals.sources import read_entries
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.evaluation import structure_prediction
from sunflow.evaluation.parallel import judge_all
from sunflow.evaluation.structure_prediction import COLUMNS, Pair, judge, pair_by_id, rmsd
from sunflow.journal import Journal

TEST_SPLIT = Path(__file__).parents[2].parent / "shared/data/mp_20/test.csv.gz"
PEROVSKITE = Structure(
    Lattice.from_parameters(3.9, 4.1, 4.3, 88, 91, 94),
    ["Ba", "Ti", "O", "O", "O"],
    [[0, 0, 0], [0.5, 0.5, 0.52], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.48]],
)

ASYMMETRIC = Structure(
    Lattice.from_parameters(3.9, 5.7, 8.1, 74, 98, 112),
    ["Ba", "Ti", "O", "F", "Cl"],
    [[0, 0, 0], [0.5, 0.3, 0.62], [0.1, 0.7, 0.3], [0.8, 0.2, 0.3], [0.4, 0.8, 0.85]],
)
"""Nothing but the identity maps it onto something alike."""


def salt(name, numbers=(11, 17), lengths=(4.0, 4.0, 4.0), **properties):
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    return Crystal(name, np.diag(lengths), positions, np.array(numbers), properties=properties)


def prediction(target, candidate=0, **changes):
    return salt(f"{target}_{candidate}", target_id=target, candidate=candidate, **changes)


def judged(predicted, target=None):
    return judge(Pair(predicted, target or salt("t"), 0))


def test_distance_of_two_atoms():
    """One atom moved by d: after the best translation both are d/2 away."""
    moved = Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0.55, 0.5, 0.5]])
    expected = 0.1 / (64 / 2) ** (1 / 3)
    assert rmsd(from_structure("p", moved), salt("t")) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_distance_of_any_small_displacements(seed):
    """Around the mean displacement, which is a translation, in units of (V/N)^(1/3)."""
    shifts = np.random.default_rng(seed).normal(scale=0.1, size=(5, 3))
    places = ASYMMETRIC.cart_coords + shifts
    moved = Structure(ASYMMETRIC.lattice, ASYMMETRIC.species, places, coords_are_cartesian=True)
    expected = np.sqrt(np.mean(np.sum((shifts - shifts.mean(0)) ** 2, axis=1))) / (ASYMMETRIC.volume / 5) ** (1 / 3)
    found = rmsd(from_structure("p", moved), from_structure("t", ASYMMETRIC))
    assert found == pytest.approx(expected, rel=1e-5)


def translated(structure):
    return Structure(structure.lattice, structure.species, structure.frac_coords + np.array([0.31, 0.77, 0.4]))


def permuted(structure):
    return Structure.from_sites([structure[index] for index in (4, 2, 0, 3, 1)])


def rotated(structure):
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    lattice = structure.lattice.matrix @ (rotation * np.linalg.det(rotation))
    return Structure(lattice, structure.species, structure.frac_coords)


def in_another_cell(structure):
    return structure.copy().make_supercell([[1, 1, 0], [0, 1, 0], [0, -1, 1]])


def supercell(structure):
    return structure.copy().make_supercell([2, 1, 1])


def larger(structure):
    return structure.copy().scale_lattice(1.2 * structure.volume)


@pytest.mark.parametrize("change", [translated, permuted, rotated, in_another_cell, supercell, larger])
def test_the_same_crystal_matches_however_it_is_written(change):
    changed = from_structure("p", change(PEROVSKITE))
    assert rmsd(changed, from_structure("t", PEROVSKITE)) == pytest.approx(0, abs=1e-6)


def test_another_crystal_does_not_match():
    assert rmsd(salt("p", lengths=(2, 4, 8)), salt("t")) is None
    rock_salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert rmsd(from_structure("p", rock_salt), salt("t")) is None


def test_a_match_is_valid_and_has_a_distance():
    row = judged(salt("p"))
    assert tuple(row) == COLUMNS
    assert row == {
        "target_id": "t",
        "candidate": 0,
        "status": "ok",
        "reason": "",
        "structure_valid": True,
        "composition_valid": True,
        "target_valid": True,
        "rmsd": pytest.approx(0, abs=1e-8),
    }


def test_composition_and_target_are_judged_on_their_own():
    inert = {"numbers": (10, 9)}
    row = judged(salt("p", **inert), salt("t", **inert))
    assert (row["structure_valid"], row["composition_valid"], row["target_valid"]) == (True, False, False)
    assert row["rmsd"] is not None
    squeezed = salt("t", lengths=(0.5, 0.5, 0.5))
    row = judged(salt("p"), squeezed)
    assert (row["structure_valid"], row["composition_valid"], row["target_valid"]) == (True, True, False)


def test_a_match_with_overlapping_atoms_is_a_match_that_is_not_valid():
    """The matcher scales volumes away, which is why the papers ask for valid structures."""
    row = judged(salt("p", lengths=(0.5, 0.5, 0.5)))
    assert row["rmsd"] is not None and not row["structure_valid"]


@pytest.mark.parametrize(
    ("predicted", "reason"),
    [
        (Crystal.failure("p", "the generated lattice is not finite"), "the generated lattice is not finite"),
        (salt("p").failed("given up"), "given up"),
        (salt("p", lengths=(np.nan, 4, 4)), "the crystal's numbers are not finite"),
        (salt("p", lengths=(4, 4, 0)), "the cell has less than 0.1 Å³"),
    ],
)
def test_what_is_no_crystal_does_not_match(predicted, reason):
    row = judged(predicted)
    assert (row["status"], row["reason"], row["structure_valid"], row["rmsd"]) == ("failed", reason, False, None)
    assert row["target_valid"]


@pytest.mark.parametrize("error", [ValueError("no cell"), ZeroDivisionError("no cell"), TimeoutError("no cell")])
def test_an_error_of_the_matcher_is_a_reason(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(structure_prediction, "rmsd", fail)
    row = judged(salt("p"))
    assert (row["status"], row["reason"], row["rmsd"]) == ("not_compared", f"{type(error).__name__}: no cell", None)
    assert row["structure_valid"]


def test_pairs_follow_ids_and_not_positions():
    targets = [salt("b"), salt("a", (19, 35)), salt("c")]
    predictions = [prediction("c"), prediction("a", numbers=(35, 19)), prediction("b")]
    pairs = pair_by_id(predictions, targets)
    assert [(pair.prediction.crystal_id, pair.target.crystal_id) for pair in pairs] == [
        ("a_0", "a"),
        ("b_0", "b"),
        ("c_0", "c"),
    ]
    assert pair_by_id(predictions[::-1], targets[::-1])[0].prediction is predictions[1]


def test_targets_need_not_all_be_asked_for():
    assert len(pair_by_id([prediction("a"), prediction("a", 1)], [salt("a"), salt("b")])) == 2


def test_the_positive_control_is_compared_with_itself():
    pairs = pair_by_id([salt("b"), salt("a")], [salt("a"), salt("b"), salt("c")])
    assert [(pair.prediction.crystal_id, pair.target.crystal_id, pair.candidate) for pair in pairs] == [
        ("a", "a", 0),
        ("b", "b", 0),
    ]
    with pytest.raises(ValueError, match="d is a prediction of d, which is not among the targets"):
        pair_by_id([salt("d")], [salt("a")])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([prediction("z")], "z_0 is a prediction of z, which is not among the targets"),
        ([prediction("a", numbers=(19, 17))], "a_0 has not the atoms of the cell of a"),
        ([from_structure("a_0", supercell(to_structure(salt("a"))), target_id="a", candidate=0)], "a_0 has not the at"),
        ([prediction("a"), salt("x")], "x has target_id None"),
        ([prediction("a"), salt("x", target_id="a")], "x has target_id 'a' and candidate None"),
        ([prediction("a"), prediction("a")], r"a has the candidates \[0, 0\], not 0 to 1"),
        ([prediction("a", 1)], r"a has the candidates \[1\], not 0 to 0"),
        ([prediction("a"), prediction("a", 1), prediction("b")], r"b has the candidates \[0\], not 0 to 1"),
    ],
)
def test_what_does_not_belong_together(wrong, message):
    with pytest.raises(ValueError, match=message):
        pair_by_id(wrong, [salt("a"), salt("b")])


def test_a_failed_prediction_needs_no_atoms():
    failure = Crystal.failure("a_0", "no", target_id="a", candidate=0)
    assert pair_by_id([failure], [salt("a")])[0].prediction is failure


class Deadly(Crystal):
    """Ends the process that receives it."""

    def __reduce__(self):
        import os

        return os._exit, (7,)


@pytest.mark.slow
def test_rows_come_in_the_order_of_the_pairs_and_a_death_is_one_of_them(tmp_path):
    deadly = Deadly("d", np.eye(3), np.zeros((2, 3)), np.array([11, 17]))
    pairs = [Pair(salt("p", lengths=(4, 4, 4 + index / 10)), salt(f"t{index:02}"), 0) for index in range(20)]
    pairs[7] = Pair(deadly, salt("t07"), 0)
    with Journal(tmp_path / "journal", "work") as journal:
        rows = judge_all(pairs, journal, 1)
        found = [index for record in journal.records for index, _ in record["results"]]
    assert rows[7]["status"] == "not_compared" and rows[7]["reason"].endswith("exit code 7")
    assert [row for row in rows if row is not rows[7]] == [
        judge(pair) for pair in pairs if pair.prediction is not deadly
    ]
    assert sorted(found) == list(range(20))


def test_a_killed_run_continues(tmp_path):
    pairs = [Pair(salt("p"), salt(f"t{index}"), 0) for index in range(3)]
    finished = {**judge(pairs[1]), "rmsd": 0.125}
    with Journal(tmp_path / "journal", "work") as journal:
        journal.append({"results": [(1, finished)]})
    with Journal(tmp_path / "journal", "work") as journal:
        assert judge_all(pairs, journal, 1) == [judge(pairs[0]), finished, judge(pairs[2])]


@pytest.mark.skipif(not TEST_SPLIT.exists(), reason="needs ../shared/data/mp_20")
def test_crystals_of_mp20_are_found_again():
    entries = read_entries(TEST_SPLIT, "material_id", "cif", {})[:10]
    targets = [reduce_entry(entry, 20) for entry in entries]
    numbers = np.random.default_rng(0)
    for target in targets:
        order = numbers.permutation(target.num_atoms)
        frac_coords = target.frac_coords[order] + numbers.random(3)
        predicted = Crystal("p", 1.02 * target.lattice, frac_coords, target.atomic_numbers[order])
        row = judge(Pair(predicted, target, 0))
        assert row["status"] == "ok" and row["structure_valid"]
        assert row["rmsd"] == pytest.approx(0, abs=1e-6)
