"""From relaxed crystals to the table, through files."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.hull import Hull, entries_table
from sunflow.stages.command import StageError
from sunflow.stages.energy_above_hull import energy_above_hull
from sunflow.stages.sun import sun
from sunflow.stages.sun_table import sun_table

COLUMNS = (
    "generator,task,relaxer,hull,hull_entries,num_requested,num_geometry_valid,num_converged,num_covered,unique_rate,"
    "novel_rate,metastable_rate,stable_rate,sun_rate,sun_rate_low,sun_rate_high,sun_rate_strict,sun_rate_with_samples,"
    "seconds_per_crystal,seconds_per_sun,second_opinion,num_sun_agreed"
).split(",")
ROW = {
    "generator": "crysbfn",
    "task": "generation",
    "relaxer": "chgnet",
    "hull": "self_consistent",
    "second_opinion": None,
}


def crystal(name, length, numbers=(11, 7), energy=-5.0):
    positions = [[0, 0, 0], [0.5, 0.5, 0.5]]
    return Crystal(
        name, length * np.eye(3), np.array(positions), np.array(numbers), properties={"energy_per_atom": energy}
    )


@pytest.fixture
def folder(tmp_path):
    relaxed = [
        crystal("000000", 3.2, energy=-5.5),
        crystal("000001", 3.2, energy=-5.4),
        crystal("000002", 3.4, (11, 17), -5.0),
        Crystal.failure("000003", "overlap"),
    ]
    samples = [*relaxed[:3], Crystal("000003", np.eye(3), np.zeros((2, 3)), np.array([11, 7]))]
    write_crystals(tmp_path / "samples.parquet", samples)
    write_crystals(tmp_path / "relaxed.parquet", relaxed, {"potential": "toy", "weights_hash": "abc"})
    write_crystals(tmp_path / "train.parquet", [crystal("train", 3.0, (11, 9))])
    entries = entries_table([("1", "Na", 0.0, ""), ("2", "N2", 0.0, ""), ("3", "NaN", -0.2, "")])
    header = {"hull": "self_consistent", "potential": "toy", "weights_hash": "abc"}
    Hull(entries, {"Na": -1.0, "N": -9.0}, header).write(tmp_path / "hull.parquet")
    (tmp_path / "time.json").write_text(json.dumps({"network_seconds": 2.0, "num_crystals": 4}))
    return tmp_path


def run_all(folder, *opinions, **row):
    energy_above_hull(folder / "relaxed.parquet", folder / "hull.parquet", folder / "energies.csv")
    sun(
        {"stable": 0.0, "metastable": 0.1, "compare": "relaxed"},
        folder / "samples.parquet",
        folder / "relaxed.parquet",
        folder / "energies.csv",
        folder / "train.parquet",
        folder / "sun_crystals.csv",
        folder / "sun_crystals.extxyz",
        folder / "sun_crystals.zip",
    )
    sun_table(
        {"rows": [dict(sorted((ROW | row).items()))]},
        [folder / "sun_crystals.csv"],
        [folder / "time.json"],
        [folder / "hull.parquet"],
        list(opinions),
        folder / "sun.csv",
    )
    verdicts = pd.read_csv(folder / "sun_crystals.csv", dtype=str, keep_default_na=False)
    return verdicts.set_index("crystal_id"), pd.read_csv(folder / "sun.csv")


def test_from_energies_to_rates(folder):
    verdicts, table = run_all(folder)
    assert verdicts["formula"].tolist() == ["NaN", "NaN", "NaCl", "NaN"]
    assert verdicts["energy_above_hull"].tolist() == ["-0.3", "-0.2", "", ""]
    assert verdicts["sun"].tolist() == ["True", "False", "", ""]
    assert verdicts["energy_above_hull_with_samples"].tolist() == ["0.0", "0.1", "", ""]
    assert verdicts["decomposition"].tolist() == ["1 NaN", "1 NaN", "", ""]
    assert verdicts["hull_coverage"].tolist() == ["same_composition", "same_composition", "not_covered", "not_covered"]
    assert list(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row.num_requested, row.num_geometry_valid, row.num_converged, row.num_covered) == (4, 3, 3, 2)
    assert (row.unique_rate, row.novel_rate, row.stable_rate, row.sun_rate) == (0.5, 0.75, 0.5, 0.25)
    assert row.sun_rate_low < 0.25 < row.sun_rate_high
    assert (row.seconds_per_crystal, row.seconds_per_sun, row.hull_entries) == (0.5, 2.0, 3)


def test_a_second_opinion_is_counted(folder):
    _, table = run_all(folder)
    assert pd.isna(table.iloc[0].second_opinion) and pd.isna(table.iloc[0].num_sun_agreed)
    opinion = folder / "second_opinion.csv"
    opinion.write_text("crystal_id,agrees\n000000,True\n000001,\n000002,False\n")
    _, table = run_all(folder, opinion, second_opinion="other")
    assert (table.iloc[0].second_opinion, table.iloc[0].num_sun_agreed) == ("other", 1)


def test_a_sample_below_another_takes_its_place_on_the_hull_that_they_have_joined(folder):
    """Na3N lies below the known phases, but not below what is made of the other samples."""
    deep = crystal("000000", 3.2, energy=-6.0)
    positions = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0.5]])
    shallow = Crystal(
        "000001", 4.4 * np.eye(3), positions, np.array([11, 11, 11, 7]), properties={"energy_per_atom": -3.2}
    )
    write_crystals(folder / "samples.parquet", [deep, shallow])
    write_crystals(folder / "relaxed.parquet", [deep, shallow], {"potential": "toy", "weights_hash": "abc"})
    verdicts, table = run_all(folder)
    assert verdicts["sun"].tolist() == ["True", "True"]
    assert verdicts["sun_with_samples"].tolist() == ["True", "False"]
    assert (table.iloc[0].sun_rate, table.iloc[0].sun_rate_with_samples) == (1.0, 0.5)


def test_the_chosen_crystals_are_written_for_people(folder):
    run_all(folder)
    with zipfile.ZipFile(folder / "sun_crystals.zip") as archive:
        assert archive.namelist() == ["000000.cif"]
    assert "crystal_id=000000" in (folder / "sun_crystals.extxyz").read_text().replace('"', "")


def test_where_nothing_is_found_there_is_no_cost_of_it(folder):
    write_crystals(folder / "train.parquet", [crystal("train", 3.25)])
    _, table = run_all(folder)
    assert table.iloc[0].sun_rate == 0.0
    assert pd.isna(table.iloc[0].seconds_per_sun)
    with zipfile.ZipFile(folder / "sun_crystals.zip") as archive:
        assert archive.namelist() == []


def test_crystals_that_were_not_generated_cost_nothing(folder):
    (folder / "time.json").write_text(json.dumps({"network_seconds": None, "num_crystals": 4}))
    _, table = run_all(folder)
    assert pd.isna(table.iloc[0].seconds_per_crystal)


def test_energies_of_other_weights_are_refused(folder):
    hull = Hull.read(folder / "hull.parquet")
    hull.metadata["weights_hash"] = "other"
    hull.write(folder / "hull.parquet")
    with pytest.raises(StageError, match="build the hull anew"):
        energy_above_hull(folder / "relaxed.parquet", folder / "hull.parquet", folder / "energies.csv")
