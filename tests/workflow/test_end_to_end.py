"""A whole small run, and what becomes of it when it is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pandas as pd
import psutil
import pytest

from conftest import Project
from sunflow.crystals.files import read_crystals
from sunflow.crystals.structures import space_group

TABLE = "results/demo/sun.csv"
CONDITIONAL = "results/demo/conditional.csv"
TARGETS = (TABLE, CONDITIONAL, "results/demo/report.html")
CORES = ("--cores", "2", "--max-threads", "1")
"""Two jobs at once, of one thread each: threads that share the cores with other tests wait for one another."""
RUN = "results/demo/crysbfn/generation"
TIMES = [f"{which}seconds_per_{what}" for which in ("", "end_to_end_") for what in ("crystal", "stable", "sun")]
RATES = ["num_requested", "num_converged", "unique_rate", "novel_rate", "metastable_rate", "stable_rate", "sun_rate"]
REQUESTED = {"crysbfn/generation": 20, "symmbfn/generation": 4, "substitution/generation": 3, "reference/test": 6}
"""Twenty are two groups, which are relaxed and journaled one after the other."""
SMALL_MODEL = {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "time_dim": 16, "num_steps": 10}


def shrink(config):
    """The demo, small enough for a test."""
    generator = config["generators"]["crysbfn"]["datasets"]["demo"]
    generator["model"] = SMALL_MODEL
    generator["training"] = {**generator["training"], "epochs": 12, "validate_every": 4}
    generator["sampling"] = {"num_crystals": REQUESTED["crysbfn/generation"], "batch_size": 5}
    symmetric = config["generators"]["symmbfn"]["datasets"]["demo"]
    symmetric["model"] = {**SMALL_MODEL, "embedding_dim": 8, "property": "formation_energy_per_atom"}
    symmetric["training"] = {**symmetric["training"], "epochs": 12, "validate_every": 4}
    symmetric["sampling"] = {"num_crystals": REQUESTED["symmbfn/generation"], "num_steps": 10, "space_groups": "cubic"}
    asked = {"num_crystals": 3, "space_groups": [225, 221], "target": -2.0, "guidance": 2.0}
    config["generators"]["symmbfn_low"] = {"kind": "symmbfn", "trained_as": "symmbfn", "sampling": asked}
    number = REQUESTED["substitution/generation"]
    config["generators"]["substitution"]["datasets"]["demo"]["sampling"] = {"num_crystals": number}
    config["datasets"]["demo"]["generators"] = ["crysbfn", "symmbfn", "substitution"]
    config["relaxers"]["chgnet"]["datasets"]["demo"].update(max_steps=40)
    config["sun"].update(num_reference=REQUESTED["reference/test"], num_left_out=20)


def table(project):
    return pd.read_csv(project.folder / TABLE, keep_default_na=False)


def crystals(project, run="crysbfn/generation"):
    path = project.folder / "results/demo" / run / "chgnet/sun_crystals.csv"
    return pd.read_csv(path, keep_default_na=False, dtype=str)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One undisturbed run, shared by all tests here."""
    project = Project.create(tmp_path_factory.mktemp("baseline") / "project")
    project.configure(shrink)
    project.snakemake(*CORES, *TARGETS)
    return project


def test_every_requested_crystal_has_a_row(finished):
    for run, requested in REQUESTED.items():
        rows = crystals(finished, run)
        assert len(rows) == requested
        assert rows.crystal_id.is_unique
        assert set(rows.status) <= {"ok", "not_converged", "failed"}
        assert all((row.status == "ok") == (row.reason == "") for row in rows.itertuples())


def test_table_agrees_with_the_crystals(finished):
    rows = table(finished).set_index("generator")
    assert list(rows.index) == [run.split("/")[0] for run in REQUESTED]
    for run in REQUESTED:
        judged = crystals(finished, run)
        row = rows.loc[run.split("/")[0]]
        assert row.num_requested == len(judged)
        assert row.num_geometry_valid == (judged.geometry_valid == "True").sum()
        assert row.num_converged == (judged.converged == "True").sum()
        assert (
            row.num_covered == judged.hull_coverage.isin(["same_composition", "same_system", "subsystems_only"]).sum()
        )
        for name in ("unique", "novel", "metastable", "stable", "sun"):
            assert row[f"{name}_rate"] == pytest.approx((judged[name] == "True").sum() / len(judged))


def test_crystals_have_the_space_groups_and_the_target_that_were_asked_for(finished):
    for run, allowed, target in (("symmbfn", range(195, 231), None), ("symmbfn_low", (221, 225), -2.0)):
        for sample in read_crystals(finished.folder / f"results/demo/{run}/generation/samples.parquet"):
            assert sample.properties["requested_space_group"] in allowed
            assert sample.properties.get("target") == target
            assert sample.status != "ok" or space_group(sample) >= 195


def test_crystals_with_a_property_are_judged(finished):
    rows = pd.read_csv(finished.folder / CONDITIONAL)
    ours = rows[rows.generator.isin(["symmbfn", "symmbfn_low"])].set_index("generator")
    assert list(ours.num_requested) == [4, 3] and list(ours.estimate) == ["chgnet"] * 2
    assert ours.target.isna().tolist() == [True, False] and {"reference", "train"} < set(rows.generator)
    listed = pd.read_csv(finished.folder / "results/demo/conditional_crystals.csv")
    assert (listed.generator == "symmbfn_low").sum() == 3


def test_the_control_starts_at_its_minimum(finished):
    rows = table(finished).set_index("generator")
    assert rows.loc["reference"].num_converged == 6


def test_files_for_people(finished):
    folder = finished.folder / RUN / "chgnet"
    num_sun = (crystals(finished).sun == "True").sum()
    with zipfile.ZipFile(folder / "sun_crystals.zip") as archive:
        assert len(archive.namelist()) == num_sun
    page = (finished.folder / "results/demo/report.html").read_text()
    assert "demonstration" in page.lower()


def test_provenance(finished):
    provenance = json.loads((finished.folder / "results/demo/provenance.json").read_text())
    text = json.dumps(provenance)
    for expected in ("torch", "chgnet", "weights", "seed"):
        assert expected in text


def test_nothing_runs_twice(finished):
    assert finished.jobs(*TARGETS) == []


def test_snakemake_report(finished):
    finished.snakemake("--report", "report.zip", *TARGETS)
    assert (finished.folder / "report.zip").stat().st_size > 10_000


def test_anybodys_crystals_are_judged_like_the_pipelines_own(finished, tmp_path):
    """The same samples, given as a file: the same verdicts, and the same tables but for names and times."""
    project = finished.copy(tmp_path / "project")
    samples = project.folder / RUN / "samples.parquet"
    command = ["evaluate", str(samples), "--dataset", "demo", "--relax", "--name", "crysbfn", "--output", "judged"]
    done = subprocess.run(
        [sys.executable, "-m", "sunflow", *command],
        cwd=project.folder,
        env={**project.environment, "PYTHONPATH": str(project.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = project.folder / "judged"
    ours = pd.read_csv(project.folder / "results/demo" / "crysbfn/generation/chgnet/sun_crystals.csv")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "sun_crystals.csv"), ours)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "sun.csv").iloc[:1][RATES], table(project).iloc[:1][RATES])
    for name in ("validity", "coverage"):
        row, own = (pd.read_csv(path / f"{name}.csv").iloc[0] for path in (folder, project.folder / "results/demo"))
        pd.testing.assert_series_equal(row, own)
    assert "<h1" in (folder / "report.html").read_text()


def stage_process(stage, project):
    """The running process of this stage in this project."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if command.startswith("python") and f"sunflow.stages.{stage} " in command:
            if process.info["cwd"] == str(project.folder):
                return process
    return None


def wait_for(condition, running, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert running.poll() is None, "Snakemake ended before it could be disturbed"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


PROGRESS = {
    "train": ("logs/demo/crysbfn/generation/train.log", "training:"),
    "sample": (f"{RUN}/sampling_journal.jsonl", "network_seconds"),
    "relax": (f"{RUN}/chgnet/parts/.0_of_1.parquet.journal", "crystal_id"),
}
"""A file of each stage, and what stands in it once the stage is in the middle of its work."""

MADE = [f"{RUN}/weights.safetensors", f"{RUN}/samples.parquet", f"{RUN}/chgnet", TABLE]
"""What training and all that follows have made."""


def undo(project):
    """Have everything from the training on run again."""
    for name in MADE:
        path = project.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def disturb(project, victim, stage):
    """Start the run, kill the victim in the middle of this stage, and clear up."""
    running = project.start(*CORES, TABLE)
    process = wait_for(lambda: stage_process(stage, project), running)
    path, mark = PROGRESS[stage]
    wait_for(lambda: (project.folder / path).exists() and mark in (project.folder / path).read_text(), running)
    if victim == "snakemake":
        running.kill()
        running.wait()
        assert process.is_running()
    else:
        process.kill()
        running.wait(timeout=120)
    recovered = subprocess.run(
        [sys.executable, "-m", "sunflow.recover"], cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert recovered.returncode == 0, recovered.stderr
    assert stage_process(stage, project) is None


def test_a_run_that_is_killed_again_and_again_ends_like_an_undisturbed_one(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    undo(project)
    for victim, stage in (("snakemake", "train"), ("train", "train"), ("sample", "sample"), ("relax", "relax")):
        disturb(project, victim, stage)
    project.snakemake(*CORES, TABLE)
    pd.testing.assert_frame_equal(table(project).drop(columns=TIMES), table(finished).drop(columns=TIMES))
    pd.testing.assert_frame_equal(crystals(project), crystals(finished))


def test_a_live_run_is_not_disturbed(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    undo(project)
    running = project.start(*CORES, TABLE)
    wait_for(lambda: stage_process("train", project), running)
    recovered = subprocess.run(
        [sys.executable, "-m", "sunflow.recover"], cwd=project.folder, capture_output=True, text=True, check=False
    )
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert recovered.returncode != 0
    assert str(running.pid) in recovered.stderr
