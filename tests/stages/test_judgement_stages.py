"""From relaxed crystals to the table, through files."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.hull import Hull, entries_table
from sunflow.evaluation.rates import wilson_interval
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


def write_inputs(folder):
    relaxed = [
        crystal("000000", 3.2, energy=-5.5),
        crystal("000001", 3.2, energy=-5.4),
        crystal("000002", 3.4, (11, 17), -5.0),
        Crystal.failure("000003", "overlap"),
    ]
    samples = [*relaxed[:3], Crystal("000003", np.eye(3), np.zeros((2, 3)), np.array([11, 7]))]
    write_crystals(folder / "samples.parquet", samples)
    write_crystals(folder / "relaxed.parquet", relaxed, {"potential": "toy", "weights_hash": "abc"})
    write_crystals(folder / "train.parquet", [crystal("train", 3.0, (11, 9))])
    write_crystals(folder / "val.parquet", [crystal("val", 3.0, (3, 9))])
    write_crystals(folder / "test.parquet", [crystal("test", 3.3, (11, 17))])
    entries = entries_table([("1", "Na", 0.0, ""), ("2", "N2", 0.0, ""), ("3", "NaN", -0.2, "")])
    header = {"hull": "self_consistent", "potential": "toy", "weights_hash": "abc"}
    Hull(entries, {"Na": -1.0, "N": -9.0}, header).write(folder / "hull.parquet")
    (folder / "time.json").write_text(json.dumps({"network_seconds": 2.0, "num_crystals": 4}))


@pytest.fixture
def folder(tmp_path):
    write_inputs(tmp_path)
    return tmp_path


SETTINGS = {"stable": 0.0, "metastable": 0.1, "compare": "relaxed"}
INPUTS = {
    "samples": "samples.parquet",
    "relaxed": "relaxed.parquet",
    "energies": "energies.csv",
    "train": "train.parquet",
    "val": "val.parquet",
    "test": "test.parquet",
}


def judge(folder, name="sun_crystals", threads=1):
    outputs = {"output": f"{name}.csv", "output_xyz": f"{name}.extxyz", "output_cif": f"{name}.zip"}
    sun(SETTINGS, threads=threads, **{option: folder / path for option, path in {**INPUTS, **outputs}.items()})


def tabulate(folder, *opinions, **row):
    sun_table(
        {"rows": [dict(sorted((ROW | row).items()))]},
        [folder / "sun_crystals.csv"],
        [folder / "time.json"],
        [folder / "hull.parquet"],
        list(opinions),
        folder / "sun.csv",
        folder / "sun_curve.csv",
        folder / "logs",
    )
    verdicts = pd.read_csv(folder / "sun_crystals.csv", dtype=str, keep_default_na=False)
    return verdicts.set_index("crystal_id"), pd.read_csv(folder / "sun.csv")


def run_all(folder):
    energy_above_hull(folder / "relaxed.parquet", folder / "hull.parquet", folder / "energies.csv")
    judge(folder)
    return tabulate(folder)


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    write_inputs(folder)
    run_all(folder)
    return folder


@pytest.fixture
def judged(judged_once, tmp_path):
    """A folder in which everything has run on the inputs as they are."""
    return shutil.copytree(judged_once, tmp_path / "judged")


def test_from_energies_to_rates(judged):
    verdicts, table = tabulate(judged)
    assert verdicts["formula"].tolist() == ["NaN", "NaN", "NaCl", "NaN"]
    assert verdicts["energy_above_hull"].tolist() == ["-0.3", "-0.2", "", ""]
    assert verdicts["sun"].tolist() == ["True", "False", "", ""]
    assert verdicts["energy_above_hull_with_samples"].tolist() == ["0.0", "0.1", "", ""]
    assert verdicts["decomposition"].tolist() == ["1 NaN", "1 NaN", "", ""]
    assert verdicts["same_as"].tolist() == ["", "000000", "", ""]
    assert verdicts["matches_none"].tolist() == ["False", "False", "True", ""]
    assert verdicts["novel_in_dataset"].tolist() == ["True", "True", "False", ""]
    assert verdicts["matched_dataset_id"].tolist() == ["", "", "test", ""]
    assert verdicts["composition_new"].tolist() == ["True", "True", "True", ""]
    assert verdicts["rmsd_to_relaxed"].tolist()[3] == "" and float(verdicts["rmsd_to_relaxed"].iloc[0]) < 1e-6
    assert verdicts["hull_coverage"].tolist() == ["same_composition", "same_composition", "not_covered", "not_covered"]
    assert list(table.columns)[: len(COLUMNS)] == COLUMNS
    row = table.iloc[0]
    assert (row.num_requested, row.num_geometry_valid, row.num_converged, row.num_covered) == (4, 3, 3, 2)
    assert (row.unique_rate, row.novel_rate, row.stable_rate, row.sun_rate) == (0.5, 0.75, 0.5, 0.25)
    assert row.sun_rate_low < 0.25 < row.sun_rate_high
    assert (row.seconds_per_crystal, row.seconds_per_sun, row.hull_entries) == (0.5, 2.0, 3)
    assert (row.seconds_per_stable, row.matches_none_rate, row.composition_new_rate) == (1.0, 0.25, 0.75)
    assert (row.unique_rate_low, row.unique_rate_high) == pytest.approx(wilson_interval(2, 4))
    assert pd.isna(row.end_to_end_seconds_per_crystal), "no job has left a record"


def test_rates_over_thresholds(judged):
    curve = pd.read_csv(judged / "sun_curve.csv")
    assert curve["threshold"].tolist() == [0.0, 0.025, 0.05, 0.08, 0.1]
    assert curve["generator"].eq("crysbfn").all() and curve["num_requested"].eq(4).all()
    assert curve["num_sun"].eq(1).all() and curve["num_metastable"].eq(2).all()


def test_a_crystal_costs_what_all_its_jobs_took(judged):
    """Sampling, the parts of the latest relaxation and not those of an earlier one, and the judgement."""
    jobs = ["sample", "chgnet/gather_relaxed", "chgnet/energy_above_hull", "chgnet/sun"]
    for age, job in enumerate(["chgnet/relax_0_of_1", "chgnet/relax_0_of_2", "chgnet/relax_1_of_2", *jobs]):
        path = judged / f"logs/crysbfn/generation/{job}.benchmark.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\th:m:s\n99\t-\n10.0\t0:00:10\n")
        os.utime(path, (age, age))
    _, table = tabulate(judged)
    row = table.iloc[0]
    assert (row.end_to_end_seconds_per_crystal, row.end_to_end_seconds_per_sun) == (60 / 4, 60.0)


def test_a_second_opinion_is_counted(judged):
    _, table = tabulate(judged)
    assert pd.isna(table.iloc[0].second_opinion) and pd.isna(table.iloc[0].num_sun_agreed)
    opinion = judged / "second_opinion.csv"
    opinion.write_text("crystal_id,agrees\n000000,True\n000001,\n000002,False\n")
    _, table = tabulate(judged, opinion, second_opinion="other")
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


def test_the_chosen_crystals_are_written_for_people(judged):
    with zipfile.ZipFile(judged / "sun_crystals.zip") as archive:
        assert archive.namelist() == ["000000.cif"]
    assert "crystal_id=000000" in (judged / "sun_crystals.extxyz").read_text().replace('"', "")


def test_where_nothing_is_found_there_is_no_cost_of_it(folder):
    write_crystals(folder / "train.parquet", [crystal("train", 3.25)])
    _, table = run_all(folder)
    assert table.iloc[0].sun_rate == 0.0
    assert pd.isna(table.iloc[0].seconds_per_sun)
    with zipfile.ZipFile(folder / "sun_crystals.zip") as archive:
        assert archive.namelist() == []


def test_crystals_that_were_not_generated_cost_nothing(judged):
    (judged / "time.json").write_text(json.dumps({"network_seconds": None, "num_crystals": 4}))
    _, table = tabulate(judged)
    assert pd.isna(table.iloc[0].seconds_per_crystal)


def test_energies_of_other_weights_are_refused(folder):
    hull = Hull.read(folder / "hull.parquet")
    hull.metadata["weights_hash"] = "other"
    hull.write(folder / "hull.parquet")
    with pytest.raises(StageError, match="build the hull anew"):
        energy_above_hull(folder / "relaxed.parquet", folder / "hull.parquet", folder / "energies.csv")


def many(count, length, first=0):
    """As many crystals of as many compositions."""
    pairs = [(z, other) for z in range(3, 40) for other in range(40, 70)][:count]
    return [crystal(f"{first + index:06d}", length, numbers) for index, numbers in enumerate(pairs)]


HELD = """
import os, pathlib, time
from sunflow.evaluation import comparison_tasks
original = comparison_tasks.Relaxation.run
def run(self, comparer):
    number = int(self.generated.crystal_id)
    with open("compared", "a") as stream:
        stream.write(f"{number}\\n")
    if number == 40 and pathlib.Path("hold").exists():
        pathlib.Path("held").touch()
        while pathlib.Path("hold").exists():
            time.sleep(0.05)
    return original(self, comparer)
comparison_tasks.Relaxation.run = run
"""


def test_a_killed_stage_continues_and_ends_with_the_same_file(folder, monkeypatch):
    """Tasks go in order of their names within a size: the kill comes when forty relaxations have been compared."""
    samples = many(60, 3.2)
    write_crystals(folder / "samples.parquet", samples)
    write_crystals(folder / "relaxed.parquet", samples, {"potential": "toy", "weights_hash": "abc"})
    energy_above_hull(folder / "relaxed.parquet", folder / "hull.parquet", folder / "energies.csv")
    (folder / "sitecustomize.py").write_text(HELD)
    (folder / "hold").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")
    options = {**INPUTS, "output": "killed.csv", "output-xyz": "killed.extxyz", "output-cif": "killed.zip"}
    command = [sys.executable, "-m", "sunflow.stages.sun", "--settings", json.dumps(SETTINGS), "--threads", "1"]
    command += [text for option, path in options.items() for text in (f"--{option}", str(folder / path))]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        while not (folder / "held").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not (folder / "killed.csv").exists()
    before = (folder / "compared").read_text().split()
    (folder / "hold").unlink()
    (folder / "compared").unlink()
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    after = (folder / "compared").read_text().split()
    assert before == [str(number) for number in range(41)]
    assert after == [str(number) for number in range(32, 60)]
    judge(folder, "whole")
    for ending in ("csv", "extxyz", "zip"):
        assert (folder / f"killed.{ending}").read_bytes() == (folder / f"whole.{ending}").read_bytes()
    assert not list(folder.glob(".killed*journal"))
