"""From files of any kind to three splits, with every crystal accounted for."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sunflow.config import load
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.structures import reduced_formula
from sunflow.provenance import file_hash
from sunflow.stages import niggli as stage
from sunflow.stages.command import StageError

sys.path.append(str(Path(__file__).parents[1] / "crystals"))
from cifs import cif

DATA = Path(__file__).parents[2].parent / "shared/data"
DEMO = Path(stage.__file__).parents[1] / "crystals/demo/demo.parquet"
SPLITS = ("train", "val", "test")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")


def dataset(**section):
    """A dataset's section as the workflow hands it to the stage."""
    raw = {
        "seed": section.pop("seed", 0),
        "datasets": {"mine": {"source": "files", "hull": "self_consistent", **section}},
        "generators": {"crysbfn": {"kind": "crysbfn"}},
        "relaxers": {"chgnet": {"potential": "chgnet"}},
    }
    return load(raw).dataset("mine")


class Reduced:
    """What the stage writes for a dataset."""

    def __init__(self, folder, section, files, threads=1):
        outputs = [folder / f"{split}.parquet" for split in SPLITS]
        stage.niggli(section, files, threads, *outputs, folder / "summary.csv")
        self.outputs = dict(zip(SPLITS, outputs, strict=True))
        self.summary = pd.read_csv(folder / "summary.csv", keep_default_na=False)

    def __getitem__(self, split):
        return read_crystals(self.outputs[split])

    def count(self, split, outcome, reason=""):
        rows = self.summary.query("split == @split and outcome == @outcome and reason == @reason")
        return int(rows.crystals.sum())


def write_table(path, crystals):
    """A table of {crystal_id: CIF}."""
    rows = crystals if isinstance(crystals, list) else list(crystals.items())
    pd.DataFrame(rows, columns=["material_id", "cif"]).to_csv(path)
    return path


def metal(symbol, a=3.0):
    return cif((symbol, 0, 0, 0, 1), a=a)


def three_files(folder, train):
    files = [write_table(folder / "train.csv.gz", train)]
    for split in ("val", "test"):
        files.append(write_table(folder / f"{split}.csv", {f"{split}-1": metal("Fe"), f"{split}-2": metal("Cu")}))
    return files


PARTS = {"train": "train.csv.gz", "val": "val.csv", "test": "test.csv"}


def test_every_crystal_is_kept_or_dropped_for_a_reason(tmp_path):
    train = [
        ("NaN", cif()),
        ("rubbish", "rubbish"),
        ("mixed", cif(("Na", 0, 0, 0, 0.5), ("K", 0, 0, 0, 0.5))),
        ("infinite", cif(a="inf")),
        ("large", cif(("C", 0, 0, 0, 1), ("C", 0.3, 0, 0, 1), ("C", 0.6, 0.5, 0, 1), a=9)),
        ("strange", cif(("Qq", 0, 0, 0, 1))),
        ("NaN", metal("Fe")),
        ("rubbish", metal("Fe")),
    ]
    section = dataset(files=PARTS, max_atoms=2)
    reduced = Reduced(tmp_path, section, three_files(tmp_path, train))
    assert [crystal.crystal_id for crystal in reduced["train"]] == ["NaN"]
    assert reduced_formula(reduced["train"][0]) == "NaN"
    assert reduced.count("train", "kept") == 1
    for reason in ("parse failure", "partial occupancy", "non-finite", "too many atoms", "unknown element"):
        assert reduced.count("train", "dropped", reason) == 1, reason
    assert reduced.count("train", "dropped", "duplicate id") == 2
    assert reduced.summary.query("split == 'train' and outcome != 'noted'").crystals.sum() == len(train)
    assert reduced.count("val", "kept") == reduced.count("test", "kept") == 2


def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "WORTH_A_PROCESS", 6)
    train = {f"{index:02d}": metal("Fe", a=2 + index / 10) if index % 3 else "rubbish" for index in range(12)}
    files = three_files(tmp_path, train)
    contents = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        Reduced(folder, dataset(files=PARTS), files, threads)
        contents.append({path.name: path.read_bytes() for path in sorted(folder.glob("[a-z]*"))})
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


FORMULAE = ("Fe", "Cu", "Al", "Ni", "Pt", "Au", "Ag", "Pd", "Ir", "Rh", "Mo", "W", "Nb", "Ta", "V", "Cr", "Ti", "Zr")


def test_one_file_is_split_by_composition(tmp_path):
    crystals = {f"{symbol}-{a}": metal(symbol, a=a) for symbol in FORMULAE for a in (2.5, 3.0, 3.5)}
    crystals |= {f"{symbol}2": cif((symbol, 0, 0, 0, 1), (symbol, 0.5, 0.5, 0.5, 1)) for symbol in FORMULAE}
    path = write_table(tmp_path / "all.csv", crystals)
    section = {"files": {"all": "all.csv"}, "fractions": {"val": 0.25, "test": 0.25}}
    drawn = {}
    for seed in (0, 1):
        reduced = Reduced(tmp_path / str(seed), dataset(**section, seed=seed), [path])
        formulae = [{reduced_formula(crystal) for crystal in reduced[split]} for split in SPLITS]
        assert sum(len(reduced[split]) for split in SPLITS) == len(crystals)
        assert sum(map(len, formulae)) == len(set.union(*formulae)) == len(FORMULAE)
        assert all(formulae)
        drawn[seed] = formulae
    assert drawn[0] != drawn[1]
    fewer = {name: text for name, text in crystals.items() if not name.startswith("Fe")}
    again = Reduced(tmp_path / "fewer", dataset(**section), [write_table(tmp_path / "fewer.csv", fewer)])
    for split, formulae in zip(SPLITS, drawn[0], strict=True):
        assert {reduced_formula(crystal) for crystal in again[split]} == formulae - {"Fe"}


def test_a_folder_of_cifs_is_split(tmp_path):
    folder = tmp_path / "cifs"
    folder.mkdir()
    for symbol in FORMULAE:
        (folder / f"{symbol}.cif").write_text(metal(symbol))
    reduced = Reduced(tmp_path, dataset(files={"all": "cifs"}), [folder])
    assert sorted(crystal.crystal_id for split in SPLITS for crystal in reduced[split]) == sorted(FORMULAE)


def test_properties_travel_along(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "text": [cif(), metal("Fe")], "gap": ["1.5", ""], "other": ["x", "y"]})
    files = []
    for split in SPLITS:
        files.append(tmp_path / f"{split}.csv")
        table.to_csv(files[-1], index=False)
    columns = {"id": "name", "cif": "text"}
    section = dataset(
        files={split: f"{split}.csv" for split in SPLITS}, columns=columns, properties={"band_gap": "gap"}
    )
    found = Reduced(tmp_path / "out", section, files)["test"]
    assert [crystal.properties.get("band_gap") for crystal in found] == [1.5, None]
    assert all("other" not in crystal.properties for crystal in found)


def test_another_file_than_the_configuration_names(tmp_path):
    files = three_files(tmp_path, {"a": cif()})
    digests = {split: file_hash(path) for split, path in zip(SPLITS, files, strict=True)}
    Reduced(tmp_path, dataset(files=PARTS, sha256=digests), files)
    write_table(files[1], {"b": cif()})
    with pytest.raises(StageError, match=r"val\.csv is not the file that datasets\.mine\.sha256\.val names"):
        Reduced(tmp_path, dataset(files=PARTS, sha256=digests), files)


def test_a_folder_has_no_hash(tmp_path):
    section = dataset(files={"all": "cifs"}, sha256={"all": "0" * 64})
    with pytest.raises(StageError, match=r"not a file, so it has no hash: remove datasets\.mine\.sha256\.all"):
        Reduced(tmp_path, section, [tmp_path])


def test_a_missing_column_names_file_and_section(tmp_path):
    files = three_files(tmp_path, {"a": cif()})
    section = dataset(files=PARTS, properties={"band_gap": "gap"})
    with pytest.raises(StageError, match=r"train\.csv\.gz has no column 'gap'.*see datasets\.mine"):
        Reduced(tmp_path, section, files)


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(StageError, match=r"no crystal of mine can be used for training; .*summary\.csv says why"):
        Reduced(tmp_path, dataset(files=PARTS), three_files(tmp_path, {"a": "rubbish"}))
    assert "parse failure" in (tmp_path / "summary.csv").read_text()


def test_crystals_of_sunflow_keep_their_split_and_metadata(tmp_path):
    path = tmp_path / "mine.parquet"
    crystals = [
        Crystal(split, np.eye(3) * 3, np.zeros((1, 3)), np.array([26]), properties={"split": split, "gap": 1.0})
        for split in SPLITS
    ]
    write_crystals(path, crystals, {"potential": "chgnet-0.3.0"})
    reduced = Reduced(tmp_path, dataset(files={"all": "mine.parquet"}), [path])
    for split in SPLITS:
        assert [crystal.crystal_id for crystal in reduced[split]] == [split]
        assert reduced[split][0].properties["gap"] == 1.0
        expected = {"potential": "chgnet-0.3.0", "dataset": "mine", "split": split}
        assert read_metadata(reduced.outputs[split]) == expected
    write_crystals(path, [crystals[0].with_properties(split="training")])
    with pytest.raises(StageError, match="names the split 'training', not train, val or test"):
        Reduced(tmp_path, dataset(files={"all": "mine.parquet"}), [path])


def test_the_demo_loses_nothing(tmp_path):
    crystals = read_crystals(DEMO)[::10]
    path = tmp_path / "demo.parquet"
    write_crystals(path, crystals, read_metadata(DEMO))
    section = {**dataset(files={"all": "demo.parquet"}, max_atoms=10), "name": "demo", "splits": []}
    section = {key: value for key, value in section.items() if key not in ("fractions", "seed")}
    reduced = Reduced(tmp_path, section, [path])
    assert reduced.summary.query("outcome == 'dropped'").empty
    for split in SPLITS:
        given = [crystal for crystal in crystals if crystal.properties["split"] == split]
        assert [crystal.crystal_id for crystal in reduced[split]] == [crystal.crystal_id for crystal in given]
        assert all(isinstance(crystal.properties["energy_above_hull"], float) for crystal in reduced[split])
        np.testing.assert_allclose([c.volume for c in reduced[split]], [c.volume for c in given], rtol=1e-6)


@needs_data
@pytest.mark.parametrize(
    ("name", "column", "property_name"),
    [("perov_5", "heat_all", "heat_of_formation"), ("mp_20", "e_above_hull", "energy_above_hull")],
)
def test_real_crystals(tmp_path, name, column, property_name):
    rows = pd.read_csv(DATA / name / "val.csv.gz", dtype=str, keep_default_na=False)
    chosen = rows.head(150)
    if "pretty_formula" in rows:
        chosen = pd.concat([chosen, rows[rows.pretty_formula == "NaN"]])
    path = tmp_path / "all.csv.gz"
    chosen.to_csv(path)
    section = dataset(files={"all": "all.csv.gz"}, properties={property_name: column})
    reduced = Reduced(tmp_path, section, [path])
    found = {crystal.crystal_id: crystal for split in SPLITS for crystal in reduced[split]}
    assert set(found) == set(chosen.material_id)
    for row in chosen.to_dict("records"):
        assert found[row["material_id"]].properties[property_name] == float(row[column])
        if "pretty_formula" in row:
            assert reduced_formula(found[row["material_id"]]) == row["pretty_formula"]
