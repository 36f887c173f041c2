"""From crystals to the tables of validity, coverage and distributions, through files."""

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.measures import COLUMNS, FINGERPRINTS
from sunflow.evaluation.rates import wilson_interval
from sunflow.stages import measure as stage
from sunflow.stages.command import StageError
from sunflow.stages.coverage import coverage_table
from sunflow.stages.distributions import distributions
from sunflow.stages.measure import measure_crystals
from sunflow.stages.measured import fingerprints, halves, read_measures
from sunflow.stages.validity import validity

SETTINGS = {"generators": ["ours"], "benchmark": "mp20", "seed": 0}
ELEMENTS = ((11, 17), (19, 17), (12, 8), (20, 8), (3, 9), (37, 35))


def salt(name, atoms, length):
    return Crystal(name, length * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array(atoms))


REAL = [salt(f"mp-{i}", ELEMENTS[i % 6], 3.0 + 0.2 * i) for i in range(12)]
GENERATED = [
    *(salt(f"g{i}", ELEMENTS[i % 3], 3.1 + 0.2 * i) for i in range(4)),
    salt("unbalanced", (11, 12), 3.5),
    Crystal("close", 4 * np.eye(3), np.array([[0, 0, 0], [0.05, 0, 0]]), np.array([11, 17])),
    Crystal("thin", np.diag([0.4, 5, 5]), np.zeros((1, 3)), np.array([29])),
    Crystal.failure("failed", "the generated lattice is not finite"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    write_crystals(folder / "real.parquet", REAL)
    write_crystals(folder / "generated.parquet", GENERATED)
    for name in ("real", "generated"):
        measure_crystals(folder / f"{name}.parquet", 1, folder / f"{name}_measures.parquet", folder / f"{name}.csv")
    energies = [crystal.with_properties(initial_energy_per_atom=-3.0 - 0.1 * i) for i, crystal in enumerate(REAL[:8])]
    write_crystals(folder / "relaxed_real.parquet", energies)
    return folder


def arguments(folder):
    return SETTINGS, [folder / "generated_measures.parquet"], folder / "real_measures.parquet", folder / "table.csv"


def test_every_crystal_has_a_row_and_people_get_a_table(folder):
    rows = pq.read_table(folder / "generated_measures.parquet").to_pandas().set_index("crystal_id")
    table = pd.read_csv(folder / "generated.csv", keep_default_na=False)
    assert list(rows.index) == list(table["crystal_id"]) == [crystal.crystal_id for crystal in GENERATED]
    assert list(table.columns) == [name for name in COLUMNS if name not in FINGERPRINTS]
    assert rows["structural"].tolist() == [True] * 5 + [False, True, False]
    assert rows["structural_with_images"].tolist() == [True] * 5 + [False] * 3
    assert rows.loc["unbalanced", "compositional_cdvae"] == "all_metals"
    assert rows.loc["failed", "fingerprint_reason"] == "the generated lattice is not finite"
    assert rows.loc["g0", "space_group"] == 221
    assert rows.loc["g0", "density"] == pytest.approx(58.44 / 6.02214e23 / (3.1e-8) ** 3, rel=1e-4)
    assert rows.loc["g0", "volume_per_atom"] == pytest.approx(3.1**3 / 2)
    assert len(rows.loc["g0", "structure_fingerprint"]) == 61
    assert len(rows.loc["g0", "composition_fingerprint"]) == 132


def test_rates_divide_by_what_was_requested(folder):
    validity(*arguments(folder))
    rows = pd.read_csv(folder / "table.csv").set_index("generator")
    ours = rows.loc["ours"]
    assert ours["num_requested"] == 8
    assert ours["structural"] == 6 / 8 and ours["structural_with_images"] == 5 / 8
    assert (ours["structural_low"], ours["structural_high"]) == pytest.approx(wilson_interval(6, 8))
    assert rows.loc["reference", "structural"] == 1.0 and rows.loc["reference", "num_requested"] == 12
    assert rows.loc["DiffCSP (published)", "compositional_cdvae"] == 0.8325
    columns = "generator,num_requested,structural,compositional_cdvae,compositional_smact_default,valid".split(",")
    assert list(pd.read_csv(folder / "table.csv").columns[:6]) == columns


def test_coverage_of_generated_crystals_and_of_halves(folder):
    coverage_table(*arguments(folder))
    rows = pd.read_csv(folder / "table.csv").set_index("generator")
    assert rows.loc["ours", "num_requested"] == 8 and rows.loc["ours", "num_reference"] == 12
    assert 0 < rows.loc["ours", "recall"] <= 1
    assert rows.loc["reference", "num_requested"] + rows.loc["reference", "num_reference"] == 12
    assert "half" in rows.loc["reference", "protocol"] and "cutoffs 0.4 and 10" in rows.loc["ours", "protocol"]
    assert rows.loc["CrysBFN (published)", "precision"] == 0.9979


def test_distances_of_properties_and_of_energies_where_there_are_some(folder):
    settings, own, reference, output = arguments(folder)
    relaxed = folder / "relaxed_real.parquet"
    distributions(settings, own, [], reference, [], output)
    without = pd.read_csv(output)
    distributions(settings, own, [relaxed], reference, [relaxed], output)
    table = pd.read_csv(output)
    measured = table[~table["generator"].str.contains("published")]
    assert set(measured["property"]) == {"density", "num_elements", "volume_per_atom", "space_group", "energy_per_atom"}
    assert "energy_per_atom" not in set(without.loc[without["generator"].eq("ours"), "property"])
    assert measured.groupby(["generator", "property"]).size().eq(2).all()
    assert (measured["low"] <= measured["distance"]).all() and (measured["distance"] <= measured["high"]).all()
    energies = measured[measured["property"].eq("energy_per_atom") & measured["generator"].eq("reference")]
    assert energies["num_generated"].add(energies["num_reference"]).eq(8).all()


def test_halves_are_disjoint_and_follow_from_the_seed(folder):
    table = read_measures(folder / "real_measures.parquet")
    first, second = halves(table, 0)
    assert len(first) == len(second) == 6
    assert set(first["crystal_id"]).isdisjoint(second["crystal_id"])
    assert list(halves(table, 0)[0]["crystal_id"]) == list(first["crystal_id"])
    assert set(halves(table, 1)[0]["crystal_id"]) != set(first["crystal_id"])
    assert fingerprints(first).structure.shape == (6, 61)


def test_measures_are_made_once_for_the_same_content(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(stage, "map_resumable", None)
    measure_crystals(folder / "real.parquet", 1, folder / "real_measures.parquet", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == (folder / "real.csv").read_text()
    write_crystals(tmp_path / "other.parquet", REAL[1:])
    with pytest.raises(TypeError):
        measure_crystals(tmp_path / "other.parquet", 1, folder / "real_measures.parquet")


def test_nothing_to_judge_is_said(tmp_path):
    write_crystals(tmp_path / "none.parquet", [])
    measure_crystals(tmp_path / "none.parquet", 1, tmp_path / "measures.parquet")
    with pytest.raises(StageError, match="holds no crystals"):
        read_measures(tmp_path / "measures.parquet")


def test_when_all_crystals_failed_there_are_rows_all_the_same(folder, tmp_path):
    write_crystals(tmp_path / "failed.parquet", [Crystal.failure(f"{i}", "no") for i in range(3)])
    measure_crystals(tmp_path / "failed.parquet", 1, tmp_path / "measures.parquet")
    settings, own, reference = SETTINGS, [tmp_path / "measures.parquet"], folder / "real_measures.parquet"
    validity(settings, own, reference, tmp_path / "validity.csv")
    coverage_table(settings, own, reference, tmp_path / "coverage.csv")
    distributions(settings, own, [], reference, [], tmp_path / "distributions.csv")
    assert pd.read_csv(tmp_path / "validity.csv").set_index("generator").loc["ours", "valid"] == 0
    ours = pd.read_csv(tmp_path / "coverage.csv").set_index("generator").loc["ours"]
    assert (ours["recall"], ours["precision"], ours["num_requested"]) == (0, 0, 3)
    assert "ours" not in set(pd.read_csv(tmp_path / "distributions.csv")["generator"])


@pytest.mark.slow
def test_a_killed_stage_continues_and_ends_with_the_same_file(tmp_path):
    crystals = [salt(f"s{i}", ELEMENTS[i % 6], 3.0 + 0.01 * i) for i in range(128)]
    write_crystals(tmp_path / "crystals.parquet", crystals)
    options = {"crystals": "crystals.parquet", "output": "killed.parquet", "output-table": "killed.csv"}
    command = [sys.executable, "-m", "sunflow.stages.measure", "--threads", "1"]
    command += [text for option, path in options.items() for text in (f"--{option}", str(tmp_path / path))]
    journal = tmp_path / ".killed.parquet.journal"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.kill()
    finished = journal.read_text().splitlines()
    assert len(finished) < 128 / 16 + 1 and not (tmp_path / "killed.parquet").exists()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert f"measuring: {128 - 16 * (len(finished) - 1)} crystals" in done.stderr, (
        "finished ones are not measured again"
    )
    measure_crystals(tmp_path / "crystals.parquet", 1, tmp_path / "whole.parquet", tmp_path / "whole.csv")
    for ending in ("parquet", "csv"):
        assert (tmp_path / f"killed.{ending}").read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    assert not journal.exists()
