"""Reading what users have."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from cifs import cif

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.crystals.sources import read_entries

TABLE = {
    "Unnamed: 0": ["7", "8", "9"],
    "material_id": ["mp-1", "004", "NaN"],
    "pretty_formula": ["Si", "C", "NaN"],
    "e_above_hull": ["0.1", "", "nan"],
    "cif": [cif(), cif(a=6), ""],
}


def table(path, **columns):
    frame = pd.DataFrame({**TABLE, **columns})
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def entries(path, properties=None, **columns):
    names = {"id_column": "material_id", "cif_column": "cif", **columns}
    return read_entries(path, properties=properties or {}, **names)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_tables(tmp_path, name):
    found = entries(table(tmp_path / name), {"energy_above_hull": "e_above_hull"})
    assert [entry.crystal_id for entry in found] == ["mp-1", "004", "NaN"]
    assert [entry.properties for entry in found] == [{"energy_above_hull": value} for value in (0.1, None, None)]
    assert [entry.content for entry in found] == TABLE["cif"]


def test_numbers_and_gaps_of_parquet(tmp_path):
    path = table(tmp_path / "a.parquet", e_above_hull=[1, None, 0.5], material_id=[1, 2, 3], cif=["x", None, "y"])
    found = entries(path, {"gap": "e_above_hull"})
    assert [entry.properties["gap"] for entry in found] == [1.0, None, 0.5]
    assert [entry.crystal_id for entry in found] == ["1", "2", "3"]
    assert found[1].content == ""


def test_other_column_names(tmp_path):
    path = table(tmp_path / "a.csv")
    assert entries(path, id_column="pretty_formula")[2].crystal_id == "NaN"


def test_a_folder_of_cifs(tmp_path):
    for name in ("b.cif", "a.cif", "notes.txt"):
        (tmp_path / name).write_text(cif())
    found = entries(tmp_path)
    assert [entry.crystal_id for entry in found] == ["a", "b"]
    assert found[0].content == cif() and found[0].properties == {}
    with pytest.raises(ValueError, match="folder of CIFs, which has no columns"):
        entries(tmp_path, {"gap": "gap"})


def test_crystals_of_sunflow_itself(tmp_path):
    path = tmp_path / "crystals.parquet"
    crystal = Crystal("x", np.eye(3), np.zeros((1, 3)), np.array([6]), properties={"split": "val", "gap": 1.0})
    write_crystals(path, [crystal])
    (found,) = entries(path)
    assert found.crystal_id == "x" and found.properties == {"split": "val", "gap": 1.0}
    assert found.content.atomic_numbers.tolist() == [6]


@pytest.mark.parametrize(
    ("columns", "properties", "words"),
    [
        ({"cif_column": "cifs"}, {}, r"bad\.csv has no column 'cifs'; it has .*did you mean 'cif'"),
        ({"id_column": "id"}, {}, r"bad\.csv has no column 'id'"),
        ({}, {"gap": "band_gap"}, r"bad\.csv has no column 'band_gap'"),
        ({}, {"formula": "pretty_formula"}, r"bad\.csv, column 'pretty_formula', row 1: 'Si' is not a finite number"),
    ],
)
def test_wrong_columns(tmp_path, columns, properties, words):
    with pytest.raises(ValueError, match=words):
        entries(table(tmp_path / "bad.csv"), properties, **columns)


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e999", "0.1 eV"])
def test_a_wrong_number_is_named_by_column_and_row(tmp_path, value):
    path = table(tmp_path / "bad.csv", e_above_hull=["0.1", value, ""])
    with pytest.raises(ValueError, match=r"bad\.csv, column 'e_above_hull', row 2"):
        entries(path, {"energy_above_hull": "e_above_hull"})


def test_a_crystal_without_a_name(tmp_path):
    with pytest.raises(ValueError, match=r"column 'material_id', row 3: the crystal has no name"):
        entries(table(tmp_path / "bad.csv", material_id=["a", "b", ""]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bad.csv.gz", b"material_id,cif\n"),
        ("bad.csv.gz", gzip.compress(json.dumps(TABLE).encode() * 99, mtime=0)[:200]),
        ("bad.parquet", b"material_id,cif\n"),
        ("bad.csv", b'material_id,cif\n"a,b'),
        ("bad.csv", b"material_id,cif\n\xff\xfe\xfd,x\n"),
        ("bad.csv", b""),
        ("bad.csv", b"a,b\n1,2,3\n4,5,6,7,8\n"),
        ("bad.csv", b"material_id,cif\n"),
    ],
)
def test_a_file_that_is_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        entries(tmp_path / name)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.csv cannot be read"):
        entries(tmp_path / "gone.csv")
    with pytest.raises(ValueError, match=r"holds no crystals \(no \*\.cif\)"):
        entries(tmp_path)
