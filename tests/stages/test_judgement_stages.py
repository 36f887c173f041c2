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
    "novel_rate,metastable_rate,stable_rate,sun_rate,sun_rate_low,sun_rate_high,sun_rate_strict,seconds_per_crystal,"
    "seconds_per_sun"
).split(",")
ROW = {"generator": "crysbfn", "task": "generation", "relaxer": "chgnet", "hull": "self_consistent"}


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


def run_all(folder):
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
        {"rows": [dict(sorted(ROW.items()))]},
        [folder / "sun_crystals.csv"],
        [folder / "time.json"],
        [folder / "hull.parquet"],
        folder / "sun.csv",
    )
    verdicts = pd.read_csv(folder / "sun_crystals.csv", dtype=str, keep_default_na=False)
    return verdicts.set_index("crystal_id"), pd.read_csv(folder / "sun.csv")


def test_from_energies_to_rates(folder):
    verdicts, table = run_all(folder)
    assert verdicts["formula"].tolist() == ["NaN", "NaN", "NaCl", "NaN"]
    assert verdicts["energy_above_hull"].tolist() == ["-0.3", "-0.2", "", ""]
    assert verdicts["sun"].tolist() == ["True", "False", "", ""]
    assert verdicts["hull_coverage"].tolist() == ["same_composition", "same_composition", "not_covered", "not_covered"]
    assert list(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row.num_requested, row.num_geometry_valid, row.num_converged, row.num_covered) == (4, 3, 3, 2)
    assert (row.unique_rate, row.novel_rate, row.stable_rate, row.sun_rate) == (0.5, 0.75, 0.5, 0.25)
    assert row.sun_rate_low < 0.25 < row.sun_rate_high
    assert (row.seconds_per_crystal, row.seconds_per_sun, row.hull_entries) == (0.5, 2.0, 3)


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
