"""The page opens offline, agrees with the table, and survives every kind of emptiness."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.sun import COLUMNS
from sunflow.stages.command import StageError
from sunflow.stages.report import report
from sunflow.stages.sun_table import costs, rates

ROWS = [
    {"generator": generator, "task": task, "relaxer": "chgnet", "hull": "self_consistent", "second_opinion": None}
    for generator, task in (("crysbfn", "generation"), ("reference", "test"))
]
QUALITY = """measure,value,low,high,num,definition
left_out_mean_error,0.0421,0.03,0.0542,300,""
left_out_apparently_stable,0.61,0.55,0.66,300,""
left_out_truly_stable,0.37,0.32,0.43,300,""
"""
CONTROL_MEASURES = """control_mean_error,-0.0123,-0.02,-0.005,287,""
control_mean_absolute_error,0.0311,0.02,0.04,287,""
control_stable,0.56,0.5,0.62,287,""
control_stable_published,0.42,0.36,0.48,287,""
control_metastable,0.98,0.95,0.99,287,""
control_metastable_published,0.99,0.97,1.0,287,""
control_unpublished,0.0,,,300,""
control_undecided,13.0,,,300,""
"""
UNPUBLISHED = "control_mean_error,,,,0,\n"
METRICS = {
    "validity.csv": "generator,num_requested,structural,structural_low,structural_high,protocol\n"
    "crysbfn,64,0.9375,0.85,0.975,of all requested crystals\nCDVAE (published),,1.0,,,table 1\n",
    "coverage.csv": "generator,num_requested,recall,num_reference,protocol\nreference,50,0.66,50,halves\n",
    "distributions.csv": "generator,property,distance,low,high,definition,protocol,num_generated,num_reference\n"
    'crysbfn,density,2.9559,1.6,4.3,"Wasserstein distance of densities, g/cm³",all crystals; bootstrap,64,100\n',
}
MEASURES = pd.DataFrame(
    {"density": [2.0, 3.0, None], "volume_per_atom": [9.0, 11.0, None], "num_elements": [1, 2, None]}
)


def crystal(name, status="ok", reason=""):
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    return Crystal(name, 3.2 * np.eye(3), positions, np.array([11, 7]), status, reason)


def verdict(crystal, above):
    ok = crystal.status == "ok"
    values = {
        "crystal_id": crystal.crystal_id,
        "formula": "NaN",
        "num_atoms": 2,
        "space_group": 221,
        "status": crystal.status,
        "reason": crystal.reason,
        "geometry_valid": True,
        "converged": ok,
        "energy_per_atom": -3.0,
        "formation_energy_per_atom": -0.5,
        "energy_above_hull": above if ok else None,
        "hull_coverage": "same_system",
        "unique": True,
        "novel": True,
        "metastable": above <= 0.1 if ok else None,
        "stable": above <= 0 if ok else None,
        "sun": above <= 0 if ok else None,
        "sun_with_samples": above <= 0 if ok else None,
    }
    return {name: values.get(name) for name in COLUMNS}


def files_of(folder):
    """The arguments of the stage that are files, and their names, without trajectories."""
    return {
        "table": folder / "sun.csv",
        "crystals": [folder / "crysbfn.csv", folder / "reference.csv"],
        "relaxed": [folder / "crysbfn.parquet", folder / "reference.parquet"],
        "curves": [folder / "curve.csv"],
        "curve_names": ["crysbfn"],
        "qualities": [folder / "quality.csv"],
        "validity": folder / "validity.csv",
        "coverage": folder / "coverage.csv",
        "distributions": folder / "distributions.csv",
        "match_rate": [],
        "measures": [folder / "measures.parquet"],
        "measure_names": ["crysbfn"],
        "reference": folder / "test_measures.parquet",
        "summary": folder / "summary.csv",
        "provenance": folder / "provenance.json",
        "output": folder / "report.html",
        "output_histogram": folder / "hull_histogram.svg",
    }


@pytest.fixture
def make(tmp_path):
    """A function that renders a page for these crystals per row, as (crystal, energy above hull)."""

    def run(*groups, control=CONTROL_MEASURES, opinion=None, trajectories=(), metrics=METRICS):
        table = []
        for row, group in zip(ROWS, groups, strict=True):
            name = row["generator"]
            pd.DataFrame([verdict(*pair) for pair in group]).to_csv(tmp_path / f"{name}.csv", index=False)
            write_crystals(tmp_path / f"{name}.parquet", [crystal for crystal, _ in group])
            verdicts = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False)
            told = {"second_opinion": opinion, "num_sun_agreed": 1 if opinion else None}
            table.append({**row, "hull_entries": 3, **rates(verdicts), **costs(verdicts, None, None), **told})
        (tmp_path / "quality.csv").write_text(QUALITY + control)
        pd.DataFrame(table).to_csv(tmp_path / "sun.csv", index=False)
        curve = {"epoch": [1, 2], "step": [9, 18], "train_loss": [3.0, 2.0], "validation_loss": [None, 2.5]}
        pd.DataFrame({**curve, "learning_rate": 0.001}).to_csv(tmp_path / "curve.csv", index=False)
        (tmp_path / "summary.csv").write_text("split,outcome,reason,crystals\ntrain,kept,,7\n")
        (tmp_path / "provenance.json").write_text(json.dumps({"commit": None, "versions": {"torch": "2"}}))
        for name, text in metrics.items():
            (tmp_path / name).write_text(text)
        for name in ("measures.parquet", "test_measures.parquet"):
            MEASURES.assign(crystal_id="0").to_parquet(tmp_path / name)
        report(
            {"dataset": "demo", "rows": ROWS, "thresholds": {"stable": 0.0, "metastable": 0.1}},
            **files_of(tmp_path),
            trajectories=list(trajectories),
            trajectory_names=["crysbfn"] * len(trajectories),
        )
        return (tmp_path / "report.html").read_text()

    return run


GOOD = [(crystal("000000"), -0.01), (crystal("000001"), 0.05), (crystal("000002", "failed", "overlap"), 0.0)]
CONTROL = [(crystal("mp-1"), 0.0)]


def test_opens_without_network(make, tmp_path):
    page = make(GOOD, CONTROL)
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=[\"']?(https?:)?//", page)
    assert not re.search(r"<link[^>]*href=[\"']?(https?:)?//", page)
    assert page.count("plotly.js v") == 1
    assert (tmp_path / "hull_histogram.svg").read_text().lstrip().startswith("<?xml")


def test_says_what_the_table_says(make):
    page = make(GOOD, CONTROL)
    text = re.sub(r"\s+", " ", re.sub(r"<script.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL))
    assert "33.3" in text
    assert "Demonstration" in text
    assert "positive control" in text
    assert "overlap" in text


def test_says_how_far_the_hull_can_be_trusted(make):
    page = make(GOOD, CONTROL)
    for shown in ("+0.0421", "61.0", "37.0", "−0.0123", ">0.0311<", "56.0", "42.0", "13 of 300 test crystals"):
        assert shown in page
    assert "publishes no energies above hull" in make(GOOD, CONTROL, control=UNPUBLISHED)


def test_a_second_opinion_has_a_column_of_its_own(make):
    assert ">agreed</th>" not in make(GOOD, CONTROL)
    page = make(GOOD, CONTROL, opinion="tensornet")
    assert ">agreed</th>" in page
    assert "by tensornet" in page


def test_the_metrics_of_the_tables_are_shown(make):
    page = make(GOOD, CONTROL)
    for shown in (
        "93.75",
        "85.00\u202f% to 97.50",
        "CDVAE<sup>2</sup>",
        "table 1",
        "66.00",
        ">2.9559<",
        "1.6000 to 4.3",
    ):
        assert shown in page
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])
    for name in ("density", "volume_per_atom", "num_elements"):
        assert [trace["name"] for trace in charts[name]["data"]] == ["crysbfn: 2 crystals", "reference: 2 crystals"]


def test_tables_of_metrics_may_be_empty(make):
    heads = {name: text.splitlines()[0] + "\n" for name, text in METRICS.items()}
    assert make(GOOD, CONTROL, metrics=heads).count("There is nothing to show") == 4
    assert make(GOOD, CONTROL, metrics=dict.fromkeys(METRICS, "\n")).count("There is nothing to show") == 4


def test_a_generator_may_be_called_nan(make):
    named = {name: text.replace("crysbfn", "NaN") for name, text in METRICS.items()}
    assert ">NaN<sup>" in make(GOOD, CONTROL, metrics=named)


def test_rates_against_the_threshold(make):
    page = make(GOOD, CONTROL)
    row = page[page.index("S.U.N. against the threshold") :]
    row = row[row.index("crysbfn<sup>") : row.index("</tr>", row.index("crysbfn<sup>"))]
    assert re.findall(r'title="(\d) of 3 requested crystals"', row) == ["1", "1", "2", "2", "2"]


@pytest.fixture
def write_trajectory(tmp_path):
    """A function that writes a trajectory of crystal 000000 in so many of ten steps."""

    def write(num_frames, **told):
        frames = [
            replace(crystal(f"000000_step_{step}"), properties={"step": step, "time": (step - 1) / 10})
            for step in range(11 - num_frames, 11)
        ]
        path = tmp_path / "trajectory.parquet"
        write_crystals(path, frames, {"sample_id": "000000", "num_steps": 10, "difference": "", **told})
        return [path]

    return write


def test_plays_the_trajectory_of_a_crystal(make, write_trajectory):
    page = make(GOOD, CONTROL, trajectories=write_trajectory(3))
    assert page.count("<figure") == 6
    for shown in ("How a crystal comes to be", "crystal 000000, NaN", "3 of 10 steps", "−0.0100 eV/atom", "no atom"):
        assert shown in page
    assert re.search(r'<input type="range" min="0" max="2" value="2" aria-label="[^"]+">', page)
    assert "unlike the sample" not in page
    (player,) = json.loads(re.search(r'id="players">(.*?)</script>', page)[1])
    assert [frame["step"] for frame in player["frames"]] == [8, 9, 10]


def test_a_trajectory_that_is_not_quite_the_samples_says_so(make, write_trajectory):
    page = make(GOOD, CONTROL, trajectories=write_trajectory(3, difference="<its atoms lie 0.1 Å elsewhere>"))
    assert "unlike the sample" in page and "&lt;its atoms lie 0.1 Å elsewhere&gt;" in page


def test_no_trajectory_and_one_without_frames(make, write_trajectory):
    assert "How a crystal comes to be" not in make(GOOD, CONTROL)
    page = make(GOOD, CONTROL, trajectories=write_trajectory(0))
    assert "No estimate has finite numbers" in page and 'class="stage player"' not in page


def test_other_crystals_are_no_trajectory(make, tmp_path):
    write_crystals(tmp_path / "samples.parquet", [crystal("000000")])
    with pytest.raises(StageError, match=r"samples\.parquet is no trajectory, without sample_id: make it again"):
        make(GOOD, CONTROL, trajectories=[tmp_path / "samples.parquet"])


def test_words_of_others_are_text(make):
    page = make([(crystal("000000", "failed", "<script>alert(1)</script>"), 0.0)], CONTROL)
    assert "<script>alert(1)</script>" not in page


@pytest.mark.parametrize("status", ["failed", "not_converged"])
def test_nothing_worked(make, status):
    page = make([(crystal("000000", status, "time-out"), 0.0)], CONTROL)
    assert "time-out" in page


def test_rows_that_do_not_belong_together_are_refused(make, tmp_path):
    make(GOOD, CONTROL)
    with pytest.raises(StageError, match="different crystals"):
        report(
            {"dataset": "demo", "rows": ROWS, "thresholds": {"stable": 0.0, "metastable": 0.1}},
            **files_of(tmp_path) | {"crystals": [tmp_path / "reference.csv", tmp_path / "crysbfn.csv"]},
            trajectories=[],
            trajectory_names=[],
        )
