"""From hull, test crystals and their distances to one small table."""

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.hull import Hull, entries_table
from sunflow.stages.command import StageError
from sunflow.stages.energy_above_hull import energy_above_hull
from sunflow.stages.hull_quality import hull_quality

SETTINGS = {"stable": 0.0, "metastable": 0.1, "num_compositions": 300, "seed": 0}
ENTRIES = [("1", "Na", 0.0, ""), ("2", "N2", 0.0, ""), ("3", "NaN", -0.2, "MP", 0.0), ("4", "Na3N", 0.3, "MP", 0.0)]


def crystal(name, energy, **properties):
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    return Crystal(
        name, 4 * np.eye(3), positions, np.array([11, 7]), properties={"energy_per_atom": energy, **properties}
    )


@pytest.fixture
def folder(tmp_path):
    drawn = [
        crystal("000", -5.2, energy_above_hull=0.0),
        crystal("1", -5.15, energy_above_hull=0.0),
        crystal("nan", -5.0),
    ]
    write_crystals(tmp_path / "samples.parquet", drawn)
    write_crystals(tmp_path / "relaxed.parquet", drawn, {"potential": "toy", "energy_scale": "MP2020"})
    Hull(entries_table(ENTRIES), {"Na": -1.0, "N": -9.0}, {"energy_scale": "MP2020"}).write(tmp_path / "hull.parquet")
    energy_above_hull(tmp_path / "relaxed.parquet", tmp_path / "hull.parquet", tmp_path / "energies.csv")
    return tmp_path


def quality(folder, **changes):
    inputs = (folder / name for name in ("hull.parquet", "samples.parquet", "energies.csv"))
    hull_quality(SETTINGS | changes, *inputs, folder / "quality.csv")
    return pd.read_csv(folder / "quality.csv").set_index("measure")


def test_every_measure_is_a_row(folder):
    table = quality(folder)
    assert list(table.columns) == ["value", "low", "high", "num", "definition"]
    assert table["definition"].notna().all() and table.index.is_unique
    assert table["value"]["left_out_mean_error"] == pytest.approx(0.1)  # NaN is missed by 0.2, Na3N by nothing
    assert table["value"]["left_out_apparently_stable"] == 0.5
    assert table["value"]["control_mean_error"] == pytest.approx(0.025)
    assert table["value"]["control_stable"] == 0.5
    assert table["value"]["control_metastable_published"] == 1.0
    assert (table["value"]["control_unpublished"], table["num"]["control_unpublished"]) == (1, 3)
    assert table["num"]["control_stable"] == 2
    shares = table.loc[[name for name in table.index if name.endswith("stable")]]
    assert (shares["low"] < shares["value"]).any() and (shares["value"] <= shares["high"]).all()


def test_the_number_of_compositions_and_the_thresholds_are_obeyed(folder):
    assert quality(folder, num_compositions=1)["num"]["left_out_mean_error"] == 1
    assert quality(folder, stable=0.05)["value"]["control_stable"] == 1.0
    assert quality(folder, metastable=0.01)["value"]["control_metastable"] == 0.5


def test_the_same_bytes_again(folder):
    quality(folder)
    first = (folder / "quality.csv").read_bytes()
    quality(folder)
    assert (folder / "quality.csv").read_bytes() == first


def test_energies_of_other_crystals_are_refused(folder):
    write_crystals(folder / "samples.parquet", [crystal("other", -5.0)])
    with pytest.raises(StageError, match=r"samples\.parquet.*do not hold the same crystals"):
        quality(folder)
