"""From predictions to the table of match rates, through files."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.stages.command import StageError
from sunflow.stages.match import match
from sunflow.stages.match_rate import match_rate

COLUMNS = (
    "generator,task,num_steps,filter,k,num_pairs,match_rate,match_rate_low,match_rate_high,rmse,seconds_per_crystal,"
    "metre,metre_low,metre_high,crmse,crmse_low,crmse_high,rmse_low,rmse_high"
).split(",")
PREDICTED = {"generator": "crysbfn", "task": "structure_prediction", "num_steps": 10}
REFERENCE = {"generator": "reference", "task": "test", "num_steps": None}


def salt(name, numbers=(11, 17), lengths=(4, 4, 4), shift=0.0, **properties):
    positions = np.array([[0, 0, 0], [0.5 + shift, 0.5, 0.5]])
    return Crystal(name, np.diag(lengths), positions, np.array(numbers), properties=properties)


TARGETS = [salt("NaN"), salt("mp-2", (19, 35)), salt("mp-3", (10, 9)), salt("mp-4", (3, 9))]
"""The third has no valid composition; a name may read like a missing value."""


def predictions():
    """Two of each: a distant and a near match; none, and a near one; a match; failures."""

    def of(target, candidate, **changes):
        changes["numbers"] = tuple(target.atomic_numbers)
        name = target.crystal_id
        return salt(f"{name}_{candidate}", target_id=name, candidate=candidate, **changes)

    first, second, third, _ = TARGETS
    failures = [Crystal.failure(f"x{index}", "no", target_id="mp-4", candidate=index) for index in range(2)]
    return [
        *(of(first, 0, shift=0.1), of(first, 1, shift=0.05)),
        *(of(second, 0, lengths=(2, 4, 8)), of(second, 1, shift=0.02)),
        *(of(third, 0), of(third, 1)),
        *failures,
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both stages, run on the predictions and on the test split itself."""
    folder = tmp_path_factory.mktemp("match")
    write_crystals(folder / "test.parquet", TARGETS)
    write_crystals(folder / "samples.parquet", predictions())
    match(folder / "samples.parquet", folder / "test.parquet", 2, folder / "matches.csv")
    match(folder / "test.parquet", folder / "test.parquet", 1, folder / "reference.csv")
    for name, seconds in (("time", 4.0), ("no_time", None)):
        (folder / f"{name}.json").write_text(json.dumps({"network_seconds": seconds, "num_crystals": 8}))
    return folder


def read(path):
    return pd.read_csv(path, dtype={"target_id": str}, keep_default_na=False, na_values={"rmsd": [""]})


def rates(folder, rows, names, times, *plot):
    matches = [folder / f"{name}.csv" for name in names]
    match_rate(rows, matches, [folder / f"{time}.json" for time in times], folder / "match_rate.csv", *plot)
    return pd.read_csv(folder / "match_rate.csv")


def test_every_prediction_has_a_row(folder):
    table = read(folder / "matches.csv")
    assert list(table.columns) == (
        "target_id,candidate,status,reason,structure_valid,composition_valid,target_valid,rmsd,metre_rmsd".split(",")
    )
    assert table["target_id"].tolist() == [name for name in ("NaN", "mp-2", "mp-3", "mp-4") for _ in range(2)]
    assert table["candidate"].tolist() == [0, 1] * 4
    assert table["status"].tolist() == ["ok"] * 6 + ["failed"] * 2
    assert table["reason"].tolist() == [""] * 6 + ["no"] * 2
    assert table["target_valid"].tolist() == [True] * 4 + [False] * 2 + [True] * 2
    half = 4 / 2 / (64 / 2) ** (1 / 3)
    expected = [0.1 * half, 0.05 * half, np.nan, 0.02 * half, 0, 0, np.nan, np.nan]
    np.testing.assert_allclose(table["rmsd"], expected, rtol=1e-6, atol=1e-7)


def test_neither_order_nor_number_of_processes_matters(folder, tmp_path):
    write_crystals(tmp_path / "samples.parquet", predictions()[::-1])
    write_crystals(tmp_path / "test.parquet", [TARGETS[index] for index in (2, 0, 3, 1)])
    match(tmp_path / "samples.parquet", tmp_path / "test.parquet", 1, tmp_path / "matches.csv")
    assert (tmp_path / "matches.csv").read_bytes() == (folder / "matches.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["matches.csv", "samples.parquet", "test.parquet"]


def test_a_missing_target_is_an_error(folder, tmp_path):
    write_crystals(tmp_path / "test.parquet", TARGETS[1:])
    with pytest.raises(StageError, match=r"samples\.parquet.*NaN_0 is a prediction of NaN, which is not among"):
        match(folder / "samples.parquet", tmp_path / "test.parquet", 1, tmp_path / "matches.csv")
    write_crystals(tmp_path / "samples.parquet", [])
    with pytest.raises(StageError, match="holds no prediction"):
        match(tmp_path / "samples.parquet", tmp_path / "test.parquet", 1, tmp_path / "matches.csv")


def test_rates_under_every_filter(folder):
    table = rates(folder, [PREDICTED], ["matches"], ["time"])
    assert list(table.columns) == COLUMNS
    assert list(zip(table["filter"], table["k"], table["match_rate"], strict=True)) == [
        ("none", 1, 0.5),
        ("none", 2, 0.75),
        ("crysbfn", 1, 0.5),
        ("crysbfn", 2, 0.75),
        ("diffcsp", 1, 0.25),
        ("diffcsp", 2, 0.5),
    ]
    half = 4 / 2 / (64 / 2) ** (1 / 3)
    expected = np.array([0.1 / 2, 0.07 / 3, 0.1 / 2, 0.07 / 3, 0.1, 0.07 / 2]) * half
    np.testing.assert_allclose(table["rmse"], expected, rtol=1e-5)
    assert table["num_pairs"].eq(4).all() and table["seconds_per_crystal"].eq(0.5).all()
    assert table["match_rate_low"].lt(table["match_rate"]).all()
    assert table["match_rate_high"].gt(table["match_rate"]).all()


@pytest.mark.parametrize("times", [["time", "no_time"], ["time"]])
def test_the_positive_control_shows_what_a_filter_allows(folder, times):
    table = rates(folder, [PREDICTED, REFERENCE], ["matches", "reference"], times)
    control = table[table["generator"].eq("reference")]
    assert list(zip(control["filter"], control["k"], control["match_rate"], strict=True)) == [
        ("none", 1, 1.0),
        ("crysbfn", 1, 1.0),
        ("diffcsp", 1, 0.75),
    ]
    assert control["rmse"].max() < 1e-6
    assert control[["num_steps", "seconds_per_crystal"]].isna().all(axis=None)
    assert table["num_steps"].iloc[0] == 10
    assert "structure_prediction,10,none,1,4,0.5," in (folder / "match_rate.csv").read_text()


def test_further_columns_come_last(folder):
    rows = [{**PREDICTED, "changed": ""}, {**PREDICTED, "changed": "schedule=hand", "note": 3}]
    table = rates(folder, rows, ["matches", "matches"], ["time", "time"])
    assert list(table.columns) == [*COLUMNS, "changed", "note"]
    assert table["changed"].iloc[-1] == "schedule=hand"


def test_files_that_do_not_belong_together(folder):
    with pytest.raises(StageError, match="1 rows, but 2 files of matches came"):
        rates(folder, [PREDICTED], ["matches", "reference"], ["time"])
    with pytest.raises(StageError, match="2 rows, but 1 files of times came"):
        rates(folder, [PREDICTED, PREDICTED], ["matches", "matches"], ["time"])
    (folder / "cut.csv").write_text("".join((folder / "matches.csv").read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(StageError, match=r"cut\.csv does not hold as many predictions of each target"):
        rates(folder, [PREDICTED], ["cut"], ["time"])


def test_the_plot_is_the_same_each_time(folder):
    rows = [REFERENCE, *({**PREDICTED, "num_steps": steps, "changed": f"num_steps={steps}"} for steps in (100, 10))]
    rows += [{**row, "generator": "<other>"} for row in rows[1:]]
    names, plots = ["reference", *["matches"] * 4], [folder / "nfe.svg", folder / "again.svg"]
    for plot in plots:
        rates(folder, rows, names, ["time"] * 4, plot)
    assert plots[0].read_bytes() == plots[1].read_bytes()
    text = plots[0].read_text()
    for shown in ("number of steps", "crysbfn", "&lt;other&gt;", "reference", ">100<", "#e0a000", "#2a9d8f", "#8693a5"):
        assert shown in text, shown


def test_published_figures_come_last_with_their_filter_and_protocol(folder):
    match_rate([PREDICTED], [folder / "matches.csv"], [folder / "time.json"], folder / "published.csv", None, "mp20")
    table = pd.read_csv(folder / "published.csv").set_index("generator")
    crysbfn = table.loc["CrysBFN (published)"]
    assert (crysbfn["filter"], crysbfn["k"], crysbfn["match_rate"], crysbfn["rmse"]) == ("crysbfn", 1, 0.6435, 0.0433)
    assert table.loc["DiffCSP (published)", "filter"] == "diffcsp"
    assert "table 2" in crysbfn["protocol"]


def test_a_prediction_of_one_polymorph_may_be_the_other(tmp_path):
    """METRe finds what the match rate does not: the prediction of the first target is the second."""
    targets = [salt("a"), salt("b", lengths=(8, 4, 2))]
    wrong = [
        salt("a_0", lengths=(8, 4, 2), target_id="a", candidate=0),
        Crystal.failure("b_0", "no", target_id="b", candidate=0),
    ]
    write_crystals(tmp_path / "test.parquet", targets)
    write_crystals(tmp_path / "samples.parquet", wrong)
    match(tmp_path / "samples.parquet", tmp_path / "test.parquet", 1, tmp_path / "matches.csv")
    (tmp_path / "time.json").write_text(json.dumps({"network_seconds": 1.0, "num_crystals": 2}))
    match_rate([PREDICTED], [tmp_path / "matches.csv"], [tmp_path / "time.json"], tmp_path / "match_rate.csv")
    row = pd.read_csv(tmp_path / "match_rate.csv").iloc[0]
    assert (row["match_rate"], row["metre"], row["crmse"]) == (0.0, 0.5, 0.25)
