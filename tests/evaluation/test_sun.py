"""The verdict on every requested crystal."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.sun import COLUMNS, judge

LIMITS = {"stable": 0.0, "metastable": 0.1, "compare": "relaxed"}


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


def verdicts(crystals, known=(), samples=None, limits=LIMITS, **above):
    return judge(samples or crystals, crystals, energies(**above), list(known), **limits).set_index("crystal_id")


def test_columns_and_a_perfect_crystal():
    table = judge([rock_salt("a")], [rock_salt("a")], energies(a=-0.01), [], **LIMITS)
    assert tuple(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row.formula, row.num_atoms, row.space_group, row.status, row.reason) == ("NaCl", 8, 225, "ok", "")
    assert [
        row[name] for name in ("geometry_valid", "converged", "unique", "novel", "stable", "metastable", "sun")
    ] == [True] * 7


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


def test_equal_energies_are_decided_by_name():
    table = verdicts([rock_salt("b"), rock_salt("a")], b=0.0, a=0.0)
    assert table["unique"].to_dict() == {"b": False, "a": True}


def test_what_is_known_is_named():
    table = verdicts([rock_salt("a"), caesium_chloride("b")], known=[rock_salt("train-7", 5.7)], a=0.0, b=0.0)
    assert table["novel"].to_dict() == {"a": False, "b": True}
    assert table.loc["a", "matched_train_id"] == "train-7"
    assert table["sun"].to_dict() == {"a": False, "b": True}


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
    other = {**LIMITS, "compare": "generated"}
    assert verdicts(relaxed, samples=samples, limits=other, a=0.0, b=0.1)["unique"].tolist() == [True, True]


def test_geometry_is_that_of_the_generated_crystal():
    overlapping = replace(rock_salt("a"), frac_coords=np.zeros((8, 3)))
    assert not verdicts([rock_salt("a")], samples=[overlapping], a=0.0).loc["a", "geometry_valid"]


def test_crystals_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="same crystals"):
        judge([rock_salt("a")], [rock_salt("b")], energies(a=0.0), [], **LIMITS)
