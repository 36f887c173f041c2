"""The verdict on every requested crystal."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.comparing import Outcome
from sunflow.evaluation.comparison import Comparer
from sunflow.evaluation.sun import COLUMNS, Crystals, compare_all, judge
from sunflow.evaluation.sun_curve import sun_curve
from sunflow.journal import Journal

LIMITS = {"stable": 0.0, "metastable": 0.1}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Comparisons need not be in processes of their own."""

    def run_all(tasks, *_):
        outcomes = {}
        for task in tasks:
            comparer = Comparer()
            outcomes[task.name] = Outcome(task.run(comparer), comparer.failures)
        return outcomes

    monkeypatch.setattr("sunflow.evaluation.sun.run_all", run_all)


def rock_salt(name, length=5.6, numbers=(11, 17), **properties):
    face = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    other = [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]]
    numbers = [numbers[0]] * 4 + [numbers[1]] * 4
    properties = {"energy_per_atom": -3.0, **properties}
    return Crystal(name, length * np.eye(3), np.array(face + other), np.array(numbers), properties=properties)


def caesium_chloride(name):
    return Crystal(
        name,
        3.4 * np.eye(3),
        np.array([[0, 0, 0], [0.5, 0.5, 0.5]]),
        np.array([11, 17]),
        properties={"energy_per_atom": -2.9},
    )


def energies(**above):
    rows = [
        (name, -1.0, value, "same_composition" if value is not None else "not_covered", "1 NaCl", value)
        for name, value in above.items()
    ]
    columns = "crystal_id formation_energy_per_atom energy_above_hull hull_coverage decomposition"
    return pd.DataFrame(rows, columns=[*columns.split(), "energy_above_hull_with_samples"])


def verdicts(crystals, known=(), samples=None, compare="relaxed", others=(), **above):
    judged = Crystals(samples or crystals, crystals, energies(**above))
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal", "") as journal:
        comparisons = compare_all(judged, {"train": list(known), "test": list(others)}, compare, journal, 1)
    return judge(judged, comparisons, **LIMITS).set_index("crystal_id")


def test_columns_and_a_perfect_crystal():
    table = verdicts([rock_salt("a")], a=-0.01).reset_index()
    assert tuple(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row.formula, row.num_atoms, row.space_group, row.status, row.reason) == ("NaCl", 8, 225, "ok", "")
    names = "geometry_valid converged unique matches_none composition_new novel novel_in_dataset stable metastable sun"
    assert [row[name] for name in names.split()] == [True] * 10
    assert (row.same_as, row.matched_train_id, row.matched_dataset_id, row.comparison_reason) == ("",) * 4
    assert row.rmsd_to_relaxed == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("above", "stable", "metastable"),
    [(-0.2, True, True), (0.0, True, True), (0.0001, False, True), (0.1001, False, False)],
)
def test_thresholds(above, stable, metastable):
    row = verdicts([rock_salt("a")], a=above).loc["a"]
    assert (row.stable, row.metastable, row.sun) == (stable, metastable, stable)


def test_the_representative_of_duplicates_is_the_best_one():
    crystals = [rock_salt("a"), rock_salt("b", 5.65), caesium_chloride("c"), rock_salt("d", 5.55)]
    table = verdicts(crystals, a=0.2, b=-0.1, c=0.0, d=None)
    assert table["unique"].to_dict() == {"a": False, "b": True, "c": True, "d": False}
    assert table["same_as"].to_dict() == {"a": "b", "b": "", "c": "", "d": "b"}
    assert table["matches_none"].to_dict() == {"a": False, "b": False, "c": True, "d": False}


def test_equal_energies_are_decided_by_name():
    table = verdicts([rock_salt("b"), rock_salt("a")], b=0.0, a=0.0)
    assert table["unique"].to_dict() == {"b": False, "a": True}


def test_what_is_known_is_named():
    table = verdicts([rock_salt("a"), caesium_chloride("b")], known=[rock_salt("train-7", 5.7)], a=0.0, b=0.0)
    assert table["novel"].to_dict() == {"a": False, "b": True}
    assert table.loc["a", "matched_train_id"] == "train-7"
    assert table["sun"].to_dict() == {"a": False, "b": True}


def test_what_is_in_the_dataset_is_told_apart_from_what_was_learned_from():
    table = verdicts([rock_salt("a"), caesium_chloride("b")], others=[rock_salt("test-1")], a=0.0, b=0.0)
    assert table["novel"].tolist() == [True, True] and table["sun"].tolist() == [True, True]
    assert table["novel_in_dataset"].tolist() == [False, True]
    assert table["matched_dataset_id"].tolist() == ["test-1", ""]


def test_the_control_is_not_compared_with_itself():
    """Crystals of the test split, moved by their relaxation; one of them is there twice."""
    test = [rock_salt("test-1"), caesium_chloride("test-2"), rock_salt("test-3", 5.7)]
    final = [rock_salt("test-1", 5.65), replace(test[1], lattice=3.3 * np.eye(3))]
    above = {"test-1": 0.0, "test-2": 0.0}
    table = verdicts(final, samples=test[:2], others=test, **above)
    assert table["novel_in_dataset"].to_dict() == {"test-1": False, "test-2": True}
    assert table["matched_dataset_id"].to_dict() == {"test-1": "test-3", "test-2": ""}
    table = verdicts(final, samples=final, others=test, **above)
    assert table["novel_in_dataset"].to_dict() == {"test-1": False, "test-2": False}


def test_without_a_comparison_there_is_no_verdict():
    broken = replace(rock_salt("b"), lattice=np.zeros((3, 3)))
    table = verdicts([rock_salt("a")], known=[broken], a=-1.0)
    assert table.loc["a", "unique"] and table.loc["a", "stable"]
    assert all(table.loc["a", name] is None for name in ("novel", "novel_in_dataset", "sun", "sun_with_samples"))
    assert table.loc["a", "comparison_reason"].startswith("b could not be compared")


def test_how_far_the_atoms_went():
    moved = rock_salt("a")
    moved.frac_coords[:4, 0] += 0.02
    table = verdicts([rock_salt("a"), rock_salt("b", 5.8)], samples=[moved, rock_salt("b", 5.5)], a=0.0, b=0.0)
    assert table["rmsd_to_relaxed"].tolist() == pytest.approx([0.01 * 5.6, 0.0], abs=1e-5)


def test_other_elements_never_match():
    table = verdicts([rock_salt("a", numbers=(11, 9))], known=[rock_salt("train")], a=0.0)
    assert table.loc["a", "novel"]


def test_no_verdict_is_not_a_negative_one():
    """Failed, not converged and uncovered crystals are neither stable nor unstable."""
    failed = rock_salt("failed").failed("overlap")
    slow = replace(rock_salt("slow", 5.0), status="not_converged", reason="step limit")
    alien = rock_salt("alien", numbers=(11, 35))
    table = verdicts([failed, slow, alien], failed=None, slow=-0.5, alien=None)
    for name in ("stable", "metastable", "sun"):
        assert table[name].isna().all()
    assert pd.isna(table.loc["failed", "unique"]) and pd.isna(table.loc["failed", "energy_per_atom"])
    assert table.loc["slow", "unique"] and not table.loc["slow", "converged"]
    assert table["reason"].tolist() == ["overlap", "step limit", ""]


def test_generated_structures_can_be_compared_instead():
    samples = [rock_salt("a"), caesium_chloride("b")]
    relaxed = [rock_salt("a"), replace(rock_salt("b"))]
    assert verdicts(relaxed, samples=samples, a=0.0, b=0.1)["unique"].tolist() == [True, False]
    assert verdicts(relaxed, samples=samples, compare="generated", a=0.0, b=0.1)["unique"].tolist() == [True, True]


def test_geometry_is_that_of_the_generated_crystal():
    overlapping = replace(rock_salt("a"), frac_coords=np.zeros((8, 3)))
    assert not verdicts([rock_salt("a")], samples=[overlapping], a=0.0).loc["a", "geometry_valid"]


def test_crystals_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="same crystals"):
        Crystals([rock_salt("a")], [rock_salt("b")], energies(a=0.0))


def test_the_curve_agrees_with_the_table_at_its_thresholds(tmp_path):
    crystals = [rock_salt(name, numbers=(11, z)) for name, z in zip("abcde", (9, 17, 35, 53, 85), strict=True)]
    crystals += [rock_salt("f", numbers=(11, 9)), replace(rock_salt("g", numbers=(3, 9)), status="not_converged")]
    crystals.append(rock_salt("h").failed("overlap"))
    above = {"a": -0.1, "b": 0.03, "c": 0.09, "d": 0.2, "e": None, "f": 0.01, "g": -1.0, "h": None}
    table = verdicts(crystals, known=[rock_salt("t", numbers=(11, 17))], **above)
    table.to_csv(tmp_path / "table.csv")
    for judged in (table, pd.read_csv(tmp_path / "table.csv"), pd.read_csv(tmp_path / "table.csv", dtype=str)):
        curve = sun_curve(judged)
        assert curve["threshold"].tolist() == [0, 0.025, 0.05, 0.08, 0.1]
        assert curve["num_requested"].tolist() == [8] * 5
        assert curve["num_metastable"].tolist() == [1, 2, 3, 3, 4]
        assert curve["num_sun"].tolist() == [1, 1, 1, 1, 2]
        assert curve["num_metastable"].iloc[-1] == table["metastable"].eq(True).sum()
        assert curve["num_sun"].iloc[0] == table["sun"].eq(True).sum()
    text = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(sun_curve(text), curve)
    rates = curve[["sun_rate_low", "sun_rate", "sun_rate_high"]].iloc[-1].tolist()
    assert rates == sorted(rates) and rates[1] == 0.25
    columns = "threshold num_requested num_metastable metastable_rate metastable_rate_low metastable_rate_high"
    assert [*curve.columns] == [*columns.split(), "num_sun", "sun_rate", "sun_rate_low", "sun_rate_high"]
