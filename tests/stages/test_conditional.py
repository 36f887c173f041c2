"""Crystals that were asked for a property: from measures and verdicts to the tables and the figure."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.property_features import FINGERPRINTS
from sunflow.evaluation.sun import COLUMNS
from sunflow.stages.command import StageError
from sunflow.stages.conditional import conditional
from sunflow.stages.estimate_property import estimate_property
from sunflow.stages.train_property import train_property

ENERGY = "formation_energy_per_atom"


def crystal(name, **properties):
    return Crystal(name, 4 * np.eye(3), np.zeros((1, 3)), np.array([11]), properties=properties)


def measures(path, numbers, failed=()):
    """As the stage `measure` writes them; what a network can learn from is the density."""
    rows = [
        {
            "crystal_id": name,
            "fingerprinted": name not in failed,
            "fingerprint_reason": "ValueError: no Voronoi cell" if name in failed else "",
            "density": None if name in failed else value,
            "volume_per_atom": None if name in failed else 10.0,
            **{key: None if name in failed else np.zeros(size) for key, size in FINGERPRINTS.items()},
        }
        for name, value in numbers.items()
    ]
    pd.DataFrame(rows).to_parquet(path)


@pytest.fixture(scope="module")
def properties(tmp_path_factory):
    """A folder with a trained network for band gaps, which are three times the density here."""
    folder = tmp_path_factory.mktemp("properties")
    random, threads = np.random.default_rng(1), torch.get_num_threads()
    for split, count in (("train", 300), ("val", 60), ("test", 80)):
        numbers = {f"{split}{i}": float(random.uniform(1, 9)) for i in range(count)}
        measures(folder / f"{split}_measures.parquet", numbers, failed=(f"{split}0",))
        gaps = {name: None if name == f"{split}1" else 3 * value for name, value in numbers.items()}
        write_crystals(folder / f"{split}.parquet", [crystal(name, band_gap=gap) for name, gap in gaps.items()])
    train(folder)
    torch.set_num_threads(threads)
    return folder


def train(folder, name="band_gap", weights="weights"):
    splits = ("train", "val", "test")
    train_property(
        {"property": name, "seed": 0},
        [folder / f"{split}.parquet" for split in splits],
        [folder / f"{split}_measures.parquet" for split in splits],
        folder / f"{weights}.safetensors",
        folder / f"{weights}.json",
    )
    return json.loads((folder / f"{weights}.json").read_text())


def estimate(folder, source, output):
    estimate_property(source, folder / "weights.safetensors", folder / "weights.json", output)
    return pd.read_csv(output, keep_default_na=False, na_values={"band_gap": [""], "spread": [""]}).set_index(
        "crystal_id"
    )


def test_the_reported_errors_are_those_of_the_written_estimates(properties, tmp_path):
    content = json.loads((properties / "weights.json").read_text())
    found = estimate(properties, properties / "test_measures.parquet", tmp_path / "test.csv")
    truth = pd.read_parquet(properties / "test.parquet").set_index("crystal_id")["band_gap"]
    errors = (found["band_gap"] - truth).dropna()
    train = pd.read_parquet(properties / "train.parquet").set_index("crystal_id")["band_gap"].drop("train0").dropna()
    assert len(errors) == content["test"]["count"] == 78
    assert content["test"]["mae"] == pytest.approx(errors.abs().mean())
    assert content["test"]["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
    constant = (truth[errors.index] - train.median()).abs().mean()
    assert content["test"]["mae_of_median"] == pytest.approx(constant)
    assert content["test"]["mae"] < 0.6 * constant
    assert found["reason"]["test0"] == "no fingerprint: ValueError: no Voronoi cell"
    assert (found.drop("test0")["spread"] > 0).all() and math.isnan(found["band_gap"]["test0"])


def test_every_crystal_of_a_split_is_used_or_left_out_with_a_reason(properties):
    content = json.loads((properties / "weights.json").read_text())
    assert content["crystals"] == {"train": 298, "val": 58, "test": 78}
    assert content["left_out"]["train"] == {"no fingerprint": 1, "no value of band_gap": 1}


def test_training_again_gives_the_same_weights(properties):
    train(properties, weights="again")
    assert (properties / "again.safetensors").read_bytes() == (properties / "weights.safetensors").read_bytes()


def test_an_unknown_property_is_named_with_the_known_ones(properties):
    with pytest.raises(StageError, match=r"no numeric column 'bandgap'; its numeric columns are band_gap"):
        train(properties, name="bandgap", weights="none")


def test_measures_of_other_crystals_are_refused(properties, tmp_path):
    for name in ("val", "test"):
        for file in (f"{name}.parquet", f"{name}_measures.parquet"):
            (tmp_path / file).write_bytes((properties / file).read_bytes())
    (tmp_path / "train.parquet").write_bytes((properties / "val.parquet").read_bytes())
    (tmp_path / "train_measures.parquet").write_bytes((properties / "test_measures.parquet").read_bytes())
    with pytest.raises(StageError, match="lacks crystals"):
        train(tmp_path)


def test_damaged_weights_are_refused(properties, tmp_path):
    (tmp_path / "weights.json").write_bytes((properties / "weights.json").read_bytes())
    (tmp_path / "weights.safetensors").write_bytes((properties / "weights.safetensors").read_bytes()[:-4])
    with pytest.raises(StageError, match="forcerun train_property"):
        estimate(tmp_path, properties / "test_measures.parquet", tmp_path / "out.csv")


VERDICTS = [
    ("a", "ok", "", -0.01, -2.5),
    ("b", "ok", "", 0.05, -3.0),
    ("c", "ok", "", 0.3, -1.0),
    ("d", "ok", "", None, None),
    ("e", "not_converged", "step limit", 0.05, -2.0),
    ("f", "failed", "overlap", None, None),
    ("g", "ok", "", 0.02, -2.9),
    ("h", "ok", "", 0.08, None),
]
"""crystal_id, status, reason, energy above hull, formation energy."""


def write_verdicts(path, rows=VERDICTS):
    table = []
    for name, status, reason, above, energy in rows:
        known = above is not None and status == "ok"
        row = {"crystal_id": name, "formula": "NaN", "status": status, "reason": reason, "converged": status == "ok"}
        row |= {"energy_above_hull": above, ENERGY: energy, "metastable": above <= 0.1 if known else None}
        row |= {"stable": above <= 0 if known else None, "sun": above <= 0 if known else None}
        table.append({column: row.get(column) for column in COLUMNS})
    pd.DataFrame(table, dtype=object).to_csv(path, index=False)


REFERENCE = [("t1", "ok", "", 0.0, -1.1), ("t2", "ok", "", 0.01, -2.3), ("t3", "ok", "", 0.5, -9.0)]
ROW = {"task": "generation", "relaxer": "chgnet", "property": ENERGY, "guidance": 2.0, "estimate": "chgnet"}
ROWS = [
    {**ROW, "generator": "symmbfn", "target": None, "guidance": None, "column": ENERGY},
    {**ROW, "generator": "symmbfn_deep", "target": -2.8, "column": ENERGY},
    {**ROW, "generator": "reference", "task": "test", "target": None, "guidance": None, "column": ENERGY},
]


@pytest.fixture
def folder(tmp_path):
    write_verdicts(tmp_path / "symmbfn.csv", VERDICTS)
    write_verdicts(tmp_path / "symmbfn_deep.csv", VERDICTS)
    write_verdicts(tmp_path / "reference.csv", REFERENCE)
    energies = np.linspace(-4, 0, 41)
    train = [crystal(f"n{i}", **{ENERGY: float(value), "band_gap": 1.0}) for i, value in enumerate(energies)]
    write_crystals(tmp_path / "train.parquet", train)
    truth = {"t1": -1.0, "t2": -2.5, "t3": -1.0, "t4": 0.0}
    write_crystals(
        tmp_path / "test.parquet", [crystal(name, **{ENERGY: value, "band_gap": 2.0}) for name, value in truth.items()]
    )
    return tmp_path


def judge(folder, rows=ROWS, estimates=None, networks=(), benchmark=None):
    verdicts = [folder / f"{row['generator']}.csv" for row in rows]
    conditional(
        {"rows": rows, "benchmark": benchmark},
        verdicts,
        estimates or verdicts,
        list(networks),
        folder / "train.parquet",
        folder / "test.parquet",
        folder / "conditional.csv",
        folder / "conditional_crystals.csv",
        folder / "conditional.svg",
    )
    crystals = pd.read_csv(folder / "conditional_crystals.csv", keep_default_na=False)
    return pd.read_csv(folder / "conditional.csv"), crystals


def row_of(table, generator, estimate="chgnet"):
    (row,) = table[table["generator"].eq(generator) & table["estimate"].eq(estimate)].to_dict("records")
    return row


def test_the_property_is_that_of_metastable_crystals(folder):
    table, _ = judge(folder)
    row, values = row_of(table, "symmbfn_deep"), np.array([-2.5, -3.0, -2.9])
    assert (row["mean"], row["std"]) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
    for percent in (5, 25, 50, 75, 95):
        assert row[f"p{percent}"] == pytest.approx(np.percentile(values, percent))
    assert row["mean_absolute_deviation"] == pytest.approx(np.mean([0.3, 0.2, 0.1]))
    train = np.linspace(-4, 0, 41)
    assert row["tolerance"] == pytest.approx(train.std() / 4)
    assert row["within_tolerance"] == pytest.approx(2 / 3)
    assert row["train_within_tolerance"] == pytest.approx(np.mean(np.abs(train + 2.8) <= train.std() / 4))
    free = row_of(table, "symmbfn")
    assert all(
        math.isnan(free[name]) for name in ("target", "tolerance", "mean_absolute_deviation", "within_tolerance")
    )
    assert free["mean"] == row["mean"]


def test_rates_are_of_all_requested_crystals_with_wilsons_intervals(folder):
    row = row_of(judge(folder)[0], "symmbfn_deep")
    for name, count in (("stable", 1), ("metastable", 4), ("sun", 1)):
        interval = binomtest(count, 8).proportion_ci(method="wilson")
        expected = (count / 8, interval.low, interval.high)
        assert tuple(row[f"{name}_rate{end}"] for end in ("", "_low", "_high")) == pytest.approx(expected)


def test_every_requested_crystal_is_accounted_for(folder):
    table, crystals = judge(folder)
    own = crystals[crystals["generator"].eq("symmbfn_deep")].set_index("crystal_id")
    assert own["outcome"].tolist() == [
        *("estimated", "estimated", "not_metastable", "not_covered", "not_converged", "failed"),
        *("estimated", "no_estimate"),
    ]
    assert own["reason"]["e"] == "step limit" and own["reason"]["f"] == "overlap"
    assert own["reason"]["h"] == "there is no estimate of it"
    assert float(own["deviation"]["b"]) == pytest.approx(-0.2)
    row = row_of(table, "symmbfn_deep")
    names = ("requested", "failed", "converged", "covered", "metastable", "estimated")
    assert [row[f"num_{name}"] for name in names] == [8, 1, 6, 5, 4, 3]
    assert row["without_estimate"] == "1 × there is no estimate of it"


def test_the_reference_shows_how_wrong_the_estimate_is(folder):
    """Its metastable crystals are t1 and t2; the dataset says -1.0 and -2.5 of them, the potential -1.1 and -2.3."""
    table, crystals = judge(folder)
    true, judged = row_of(table, "reference", "dataset"), row_of(table, "reference")
    assert (true["mean"], judged["mean"]) == (pytest.approx(-1.75), pytest.approx(-1.7))
    assert true["num_estimated"] == 2 and math.isnan(true["reference_mae"])
    for name in ("symmbfn", "symmbfn_deep", "reference"):
        row = row_of(table, name)
        assert (row["reference_mae"], row["reference_count"]) == (pytest.approx(0.15), 2)
        assert row["reference_rmse"] == pytest.approx(np.sqrt((0.1**2 + 0.2**2) / 2))
    assert len(crystals) == 8 + 8 + 3 + 3
    assert crystals[crystals["estimate"].eq("dataset")]["outcome"].tolist() == ["estimated"] * 2 + ["not_metastable"]


def test_the_train_split_is_a_row(folder):
    row = row_of(judge(folder)[0], "train", "dataset")
    assert (row["num_estimated"], row["p50"], row["mean"]) == (41, pytest.approx(-2.0), pytest.approx(-2.0))


def test_a_network_brings_its_test_errors_and_its_failures(properties, folder):
    names = {name: 2.0 + index for index, (name, *_) in enumerate(VERDICTS) if name != "f"}
    measures(folder / "measures.parquet", names | {"f": 1.0}, failed=("b", "f"))
    measures(folder / "reference_measures.parquet", {"t1": 2.0, "t2": 3.0, "t3": 4.0})
    estimate(properties, folder / "measures.parquet", folder / "gaps.csv")
    estimate(properties, folder / "reference_measures.parquet", folder / "reference_gaps.csv")
    rows = [{**row, "property": "band_gap", "estimate": "network", "column": "band_gap"} for row in ROWS[1:]]
    files = [folder / "gaps.csv", folder / "reference_gaps.csv"]
    table, crystals = judge(folder, rows, files, [properties / "weights.json"])
    row = row_of(table, "symmbfn_deep", "network")
    content = json.loads((properties / "weights.json").read_text())
    assert row["test_mae"] == pytest.approx(content["test"]["mae"]) and row["test_count"] == 78
    assert (row["num_metastable"], row["num_estimated"]) == (4, 3)
    assert row["without_estimate"] == "1 × no fingerprint: ValueError: no Voronoi cell"
    assert row["reference_count"] == 2
    assert (crystals[crystals["outcome"].eq("estimated") & crystals["estimate"].eq("network")]["spread"] != "").all()


def test_a_second_potential_is_an_estimate_of_its_own(folder):
    """It was asked about metastable crystals only."""
    second = folder / "second.csv"
    second.write_text(f"crystal_id,reason,second_{ENERGY}\na,,-2.6\nb,,-3.1\ng,step limit,\nh,,-2.8\n")
    rows = [ROWS[1], {**ROWS[1], "estimate": "tensornet", "column": f"second_{ENERGY}"}]
    table, _ = judge(folder, rows, [folder / "symmbfn_deep.csv", second])
    row = row_of(table, "symmbfn_deep", "tensornet")
    assert (row["num_estimated"], row["mean"]) == (3, pytest.approx(-2.8333333))
    assert row["without_estimate"] == "1 × step limit"
    assert math.isnan(row["reference_mae"]), "there is no reference by this estimate"


def test_published_rates_stand_beside(folder):
    table, _ = judge(folder, benchmark="mp20")
    published = table[table["generator"].eq("SymmBFN (published)")].set_index("target")
    assert published["stable_rate"].to_dict()[-4.0] == 0.072
    assert published["metastable_rate"].tolist() == [0.482, 0.539, 0.463, 0.384]
    assert published["protocol"].str.contains("table 6").all()
    free = judge(folder, benchmark="perov5")[0]
    assert not free["generator"].str.contains("published").any()


def test_the_figure_names_generators_targets_and_estimate(folder):
    judge(folder)
    picture = (folder / "conditional.svg").read_text()
    for words in ("symmbfn_deep, target -2.8 (3)", "train (41)", "reference (2)", "by chgnet"):
        assert words in picture
    again = picture
    judge(folder)
    assert (folder / "conditional.svg").read_text() == again


def test_where_nothing_is_metastable_there_is_a_row_and_a_figure(folder):
    write_verdicts(folder / "symmbfn_deep.csv", [("a", "failed", "overlap", None, None)])
    table, _ = judge(folder)
    row = row_of(table, "symmbfn_deep")
    assert (row["num_requested"], row["num_estimated"], row["metastable_rate"]) == (1, 0, 0.0)
    assert math.isnan(row["mean"]) and math.isnan(row["within_tolerance"])
    assert "symmbfn_deep, target -2.8 (0)" in (folder / "conditional.svg").read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": []}, "no generator of this dataset has model.property"),
        ({"rows": [{**ROWS[1], "column": "other"}]}, "has no column 'other'"),
        ({"rows": [{**ROWS[1], "property": "hardness"}]}, "no numeric column 'hardness'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(folder, change, sentence):
    with pytest.raises(StageError, match=sentence):
        judge(folder, **change)


def test_estimates_of_other_crystals_are_refused(folder):
    other = folder / "other.csv"
    other.write_text(f"crystal_id,reason,{ENERGY}\nz,,-2.6\n")
    with pytest.raises(StageError, match="names crystals that"):
        judge(folder, [ROWS[1]], [other])


def test_a_reference_that_is_not_of_the_test_split_is_refused(folder):
    write_verdicts(folder / "reference.csv", VERDICTS)
    with pytest.raises(StageError, match="does not hold the reference crystal"):
        judge(folder)
