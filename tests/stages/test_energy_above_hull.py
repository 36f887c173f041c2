"""The distances, what crystals decompose into, and scales that must not meet."""

import logging

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.hull import Hull, entries_table
from sunflow.evaluation.hull_entries import OWN_SCALE
from sunflow.stages.command import StageError
from sunflow.stages.energy_above_hull import energy_above_hull, readable

ENTRIES = [("1", "Na", 0.0, ""), ("2", "N2", 0.0, ""), ("3", "Na3N", -0.4, "")]
RELAXED = {"potential": "toy", "weights_hash": "abc", "energy_scale": "MP2020"}
HULL = {"potential": None, "weights_hash": None, "energy_scale": "MP2020"}


def crystal(name, numbers, formation, status="ok"):
    """A crystal of this formation energy (eV/atom) where sodium has -1 eV and nitrogen -9 eV."""
    energy = formation + np.mean([{11: -1.0, 7: -9.0, 17: -2.0}[number] for number in numbers])
    positions = np.random.default_rng(0).random((len(numbers), 3))
    return Crystal(
        name, 5 * np.eye(3), positions, np.array(numbers), status, properties={"energy_per_atom": float(energy)}
    )


def placed(folder, crystals, hull=HULL, relaxed=RELAXED):
    write_crystals(folder / "relaxed.parquet", crystals, relaxed)
    Hull(entries_table(ENTRIES), {"Na": -1.0, "N": -9.0}, hull).write(folder / "hull.parquet")
    energy_above_hull(folder / "relaxed.parquet", folder / "hull.parquet", folder / "out.csv")
    return pd.read_csv(folder / "out.csv", keep_default_na=False, na_values=[""]).set_index("crystal_id")


SAMPLES = [
    crystal("best", [11, 7], -0.5),
    crystal("twin", [11, 7], -0.3),
    crystal("rich", [11, 11, 7], -0.3),
    crystal("phase", [11, 11, 11, 7], -0.4),
    crystal("moving", [11, 7, 7], -5.0, "not_converged"),
    crystal("strange", [11, 17], -1.0),
    Crystal.failure("broken", "overlap"),
]


def test_the_decomposition_is_readable(tmp_path):
    table = placed(tmp_path, SAMPLES)
    assert table["decomposition"]["rich"] == "0.8889 Na3N + 0.1111 N2"
    assert table["decomposition"]["phase"] == "1 Na3N"
    assert table["decomposition"][["strange", "broken"]].isna().all()


@pytest.mark.parametrize(
    ("shares", "expected"),
    [({"TiO2": 0.6, "Ti2O3": 0.4}, "0.6 TiO2 + 0.4 Ti2O3"), ({"NaN": 1.0, "Na": 1e-9}, "1 NaN"), (None, None)],
)
def test_shares_in_words(shares, expected):
    assert readable(shares) == expected


def test_the_hull_alone_is_never_joined(tmp_path):
    alone = placed(tmp_path, [SAMPLES[1]])
    among = placed(tmp_path, SAMPLES)
    assert alone["energy_above_hull"]["twin"] == among["energy_above_hull"]["twin"] == round(-0.3 + 0.8 / 3, 4)


def test_with_samples(tmp_path):
    """NaN at -0.5 and Na3N at -0.4 make Na2N: two thirds of Na3N's atoms and one third of NaN's."""
    table = placed(tmp_path, SAMPLES)["energy_above_hull_with_samples"]
    assert table["best"] == 0.0
    assert table["twin"] == 0.2
    assert table["rich"] == pytest.approx(-0.3 + (2 / 3 * 0.4 + 1 / 3 * 0.5), abs=1e-4)
    assert table["phase"] == 0.0
    assert table[["strange", "broken"]].isna().all()


def test_only_converged_crystals_join(tmp_path):
    """The one that still moves lies far below everything, and moves nothing."""
    with_it, without_it = placed(tmp_path, SAMPLES), placed(tmp_path, [*SAMPLES[:4], *SAMPLES[5:]])
    column = "energy_above_hull_with_samples"
    assert with_it[column]["moving"] < 0
    pd.testing.assert_series_equal(with_it[column].drop("moving"), without_it[column])
    converged = with_it[with_it["status"].eq("ok")][column].dropna()
    assert len(converged) == 4 and (converged >= 0).all()


def test_the_dataset_stays_in_the_hull(tmp_path):
    table = placed(tmp_path, [crystal("high", [11, 7], 0.1)])
    assert table["energy_above_hull_with_samples"]["high"] == table["energy_above_hull"]["high"] > 0


def test_the_order_of_crystals_does_not_matter(tmp_path):
    forward, backward = placed(tmp_path, SAMPLES), placed(tmp_path, SAMPLES[::-1])
    pd.testing.assert_frame_equal(forward, backward.loc[forward.index])


OWN_HULL = {"potential": "toy", "weights_hash": "abc", "energy_scale": "toy (weights abc)"}


@pytest.mark.parametrize(
    ("hull", "relaxed"),
    [(HULL, RELAXED), (OWN_HULL, RELAXED), (OWN_HULL, {**RELAXED, "energy_scale": None})],
)
def test_equal_scales_meet(tmp_path, hull, relaxed):
    assert len(placed(tmp_path, SAMPLES[:1], hull, relaxed)) == 1


@pytest.mark.parametrize(
    ("hull", "relaxed", "message"),
    [
        (OWN_HULL, {**RELAXED, "weights_hash": "other"}, "build the hull anew"),
        (OWN_HULL, {}, "build the hull anew"),
        (
            HULL,
            {**RELAXED, "energy_scale": "MatPES"},
            r"relaxed\.parquet: .* scale MP2020, but .*toy.*MatPES",
        ),
        (HULL, {**RELAXED, "energy_scale": None}, "on the scale unknown.*self_consistent"),
        (HULL, {"potential": "toy"}, "on the scale unknown.*self_consistent"),
        ({"potential": None, "weights_hash": None}, RELAXED, "hull.parquet and .*: the hull is on the scale unknown"),
        ({"potential": None, "weights_hash": None}, {"potential": "toy"}, "on the scale unknown"),
    ],
)
def test_other_scales_are_refused(tmp_path, hull, relaxed, message):
    with pytest.raises(StageError, match=message):
        placed(tmp_path, SAMPLES[:1], hull, relaxed)
    assert not (tmp_path / "out.csv").exists()


def test_the_users_own_scale_is_taken_on_their_word(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        placed(tmp_path, SAMPLES[:1], {**HULL, "energy_scale": OWN_SCALE}, {"potential": "toy"})
    assert "nothing but your word says that the hull is on the scale of toy" in caplog.text
