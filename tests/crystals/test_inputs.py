"""Crystals as anybody has them."""

import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from cifs import cif

from sunflow.crystals import cif_files, inputs
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.crystals.inputs import read_inputs
from sunflow.crystals.structures import write_extended_xyz

LATTICE = np.array([[3.1, 0, 0], [0.1, 4.2, 0], [0, 0, 5.3]])
NITRIDE = Crystal("000017", LATTICE, np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([11, 7]))


def names(crystals):
    return [crystal.crystal_id for crystal in crystals]


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def in_folder(path):
    (path / "cifs").mkdir()
    (path / "cifs/000017.cif").write_text(cif())
    return path / "cifs"


def as_cif(path):
    (path / "000017.CIF").write_text(cif())
    return path / "000017.CIF"


def in_table(path):
    table = pd.DataFrame({"Unnamed: 0": [5], "material_id": ["000017"], "cif": [cif()]})
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return path


def written(path):
    write = write_crystals if path.suffix == ".parquet" else write_extended_xyz
    write(path, [NITRIDE])
    return path


KINDS = {
    "folder": in_folder,
    "one CIF": as_cif,
    "archive": lambda path: zipped(path / "a.zip", **{"all/000017.cif": cif(), "all/notes.txt": "?"}),
    "extended XYZ": lambda path: written(path / "a.extxyz"),
    "CSV": lambda path: in_table(path / "a.csv"),
    "compressed CSV": lambda path: in_table(path / "a.csv.gz"),
    "Parquet with CIFs": lambda path: in_table(path / "a.parquet"),
    "Parquet of the project": lambda path: written(path / "a.parquet"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(tmp_path, kind):
    (crystal,) = read_inputs(KINDS[kind](tmp_path))
    assert crystal.crystal_id == "000017"
    assert (crystal.status, crystal.reason) == ("ok", "")
    assert crystal.atomic_numbers.tolist() == [11, 7]
    np.testing.assert_allclose(crystal.frac_coords, NITRIDE.frac_coords, atol=1e-7)
    assert crystal.volume == pytest.approx(3.1 * 4.2 * 5.3)


def test_cells_are_not_reduced(tmp_path):
    (tmp_path / "a.cif").write_text(cif(*(("Cu", x / 2, 0, 0, 1) for x in range(2)), a=6, gamma=150))
    (crystal,) = read_inputs(tmp_path)
    assert crystal.num_atoms == 2
    assert np.linalg.norm(crystal.lattice, axis=1) == pytest.approx([6, 4.2, 5.3])


def test_a_folder_is_read_at_any_depth_in_order_but_for_what_is_hidden(tmp_path):
    for name in ("b.cif", "a/z.cif", "a/b.cif", ".ipynb_checkpoints/c.cif", ".d.cif", "notes.txt", "e.cif/f.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(cif())
    crystals = read_inputs(tmp_path)
    assert [crystal.properties["file"] for crystal in crystals] == ["a/b.cif", "a/z.cif", "b.cif"]
    assert names(crystals) == ["b", "z", "b_2"]


def test_an_archive_is_read_at_any_depth_in_order_but_for_what_is_hidden(tmp_path):
    members = ("all/b.cif", "all/a.CIF", "__MACOSX/all/._b.cif", "all/readme.md")
    assert names(read_inputs(zipped(tmp_path / "a.zip", **dict.fromkeys(members, cif())))) == ["a", "b"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip"]


@pytest.mark.parametrize("name", ["../evil.cif", "/etc/evil.cif", "a/../../evil.cif", "..\\evil.cif", "C:\\evil.cif"])
def test_an_archive_from_which_a_path_leads_out_is_refused(tmp_path, name):
    path = zipped(tmp_path / "a.zip", **{"good.cif": cif(), name: cif()})
    with pytest.raises(ValueError, match=r"a\.zip is not read, because its member .*evil\.cif' leads out"):
        read_inputs(path)


def test_what_cannot_be_read_is_a_failed_crystal(tmp_path, monkeypatch):
    monkeypatch.setattr(cif_files, "MAX_BYTES", 10_000)
    contents = {"a": cif(), "broken": cif()[:300], "half": cif(("Na", 0, 0, 0, 0.5)), "vast": " " * 10_001, "void": ""}
    for name, text in contents.items():
        (tmp_path / f"{name}.cif").write_text(text)
    (tmp_path / "bytes.cif").write_bytes(bytes(range(256)))
    (tmp_path / "dangling.cif").symlink_to("nowhere")
    reasons = {crystal.crystal_id: crystal.reason.partition(":")[0] for crystal in read_inputs(tmp_path)}
    assert reasons == {
        "a": "",
        "broken": "parse failure",
        "bytes": "parse failure",
        "dangling": "unreadable",
        "half": "partial occupancy",
        "vast": "unreadable",
        "void": "parse failure",
    }


def test_a_damaged_member_of_an_archive_is_a_failed_crystal(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.cif": cif(), "b.cif": cif(a=9)})
    path.write_bytes(path.read_bytes().replace(b"_cell_length_a   9", b"_cell_length_a   8"))
    good, bad = read_inputs(path)
    assert good.status == "ok" and bad.crystal_id == "b"
    assert bad.reason.startswith("unreadable: Bad CRC-32")


def test_repeated_names_are_numbered_and_told(tmp_path, caplog):
    given = ["x", "x_2", "x", "", "x", "000003", " y\nz "]
    pd.DataFrame({"id": given, "cif": cif()}).to_csv(tmp_path / "a.csv", index=False)
    found = ["x", "x_2", "x_3", "000003", "x_4", "000003_2", "y z"]
    assert names(read_inputs(tmp_path / "a.csv")) == found
    assert "names that occur more than once are numbered from the second crystal on: 2, such as 'x'" in caplog.text


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"name": ["n"], "id": ["i"], "material_id": ["m"], "crystal_id": ["c"]}, "c"),
        ({"name": ["n"], "id": ["i"]}, "i"),
        ({"id": [17]}, "17"),
        ({"id": [None]}, "000000"),
        ({}, "000000"),
    ],
)
def test_columns_that_name_crystals(tmp_path, columns, expected):
    pd.DataFrame({**columns, "cif": [cif()]}).to_parquet(tmp_path / "a.parquet")
    assert names(read_inputs(tmp_path / "a.parquet")) == [expected]


def test_an_empty_cell_of_a_table_is_a_failed_crystal(tmp_path):
    pd.DataFrame({"id": ["a", "b"], "cif": [None, cif()]}).to_parquet(tmp_path / "a.parquet")
    assert [crystal.status for crystal in read_inputs(tmp_path / "a.parquet")] == ["failed", "ok"]


def test_the_projects_files_keep_status_reason_and_plain_properties(tmp_path):
    failed = Crystal.failure("bad", "the generated lattice is not finite", split="val", atoms=None)
    write_crystals(tmp_path / "a.parquet", [failed, NITRIDE.with_properties(split="train")])
    bad, good = read_inputs(tmp_path / "a.parquet")
    assert (bad.status, bad.reason) == (failed.status, failed.reason)
    assert bad.properties["split"] == "val" and good.properties["split"] == "train"


HEAD = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3'


def frame(comment=HEAD, atom="Cu 0.0 0.0 -1.0"):
    return f"1\n{comment}\n{atom}\n"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("crystal_id=000017", "000017"),
        ('material_id="mp 1" name=x', "mp 1"),
        ("id=1e5", "1e5"),
        ("name=NaN", "NaN"),
        ("title='a name=b' id=T", "T"),
        (r'name="say \"x\"" ', 'say "x"'),
        ('name="" energy=1', "000000"),
        ("energy=-1.0", "000000"),
    ],
)
def test_names_in_extended_xyz_stay_as_they_are_written(tmp_path, comment, expected):
    (tmp_path / "a.xyz").write_text(frame(f"{HEAD} {comment}"))
    (crystal,) = read_inputs(tmp_path / "a.xyz")
    assert crystal.crystal_id == expected
    assert crystal.frac_coords.tolist() == [[0, 0, 0.75]]


BROKEN_FRAMES = {
    "no cell": frame("a molecule"),
    "not periodic in all three directions": frame(f'{HEAD} pbc="T T F"'),
    "non-finite": frame(atom="Cu 0.0 nan 0.0"),
    "absurd volume": frame(HEAD.replace("0 0 4", "0 0 0")),
    "unknown element": frame(atom="X 0.0 0.0 0.0"),
    "parse failure": frame(atom="Cu 0.0 zero 0.0"),
}


@pytest.mark.parametrize("reason", BROKEN_FRAMES)
def test_a_broken_frame_spoils_no_other(tmp_path, reason):
    (tmp_path / "a.extxyz").write_text(frame() + BROKEN_FRAMES[reason] + "\n" + frame())
    good, bad, also_good = read_inputs(tmp_path / "a.extxyz")
    assert (good.status, bad.status, also_good.status) == ("ok", "failed", "ok")
    assert bad.reason.partition(":")[0] == reason


@pytest.mark.parametrize("text", ["2\n" + HEAD + "\nCu 0 0 0\n", "2\n", "0\n" + HEAD + "\n"])
def test_a_last_frame_that_is_cut_short_is_a_failed_crystal(tmp_path, text):
    (tmp_path / "a.extxyz").write_text(frame() + text)
    good, bad = read_inputs(tmp_path / "a.extxyz")
    assert good.status == "ok" and bad.reason.startswith("parse failure")


MISTAKES = {
    "a.txt": ("?", r"a\.txt is of no known kind: give a folder of CIFs, or a file that ends in \.cif, \.zip"),
    "a.zip": ("?", r"a\.zip is no zip archive"),
    "a.parquet": ("?", r"a\.parquet cannot be read"),
    "a.csv": ("a,b\n1,2\n", r"a\.csv has no column 'cif'; it has a, b"),
    "b.csv": ("", r"b\.csv cannot be read"),
    "c.csv": ("id,cif\n", r"c\.csv holds no crystals"),
    "a.extxyz": ("", r"a\.extxyz holds no crystals"),
    "b.extxyz": (frame() + "Cu\n", r"b\.extxyz, line 4: 'Cu' is not a number of atoms"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_file_that_is_none(tmp_path, name):
    text, words = MISTAKES[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        read_inputs(tmp_path / name)


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file or folder .*gone"):
        read_inputs(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"holds no crystals \(no \*\.cif\)"):
        read_inputs(tmp_path)
    with pytest.raises(ValueError, match=r"holds no crystals \(no \*\.cif\)"):
        read_inputs(zipped(tmp_path / "a.zip", readme="?"))
    pd.DataFrame({"atomic_numbers": [[1]]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"has atomic_numbers, but is no file of Sunflow's crystals"):
        read_inputs(tmp_path / "a.parquet")


def test_processes_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "WORTH_A_PROCESS", 3)
    for number in range(6):
        (tmp_path / f"{number}.cif").write_text(cif(a=4 + number))
    many, one = read_inputs(tmp_path, 2), read_inputs(tmp_path)
    assert [crystal.to_record() for crystal in many] == [crystal.to_record() for crystal in one]


def test_names_that_are_no_text(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.cif")).write_text(cif())
    (crystal,) = read_inputs(tmp_path)
    assert (crystal.crystal_id, crystal.properties["file"]) == ("?", "?.cif")
