"""Every crystal keeps its row, and a killed run continues."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.asymmetric_unit import asymmetric_unit
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.space_groups import write_space_groups
from sunflow.stages.asymmetric_units import asymmetric_units
from sunflow.stages.command import StageError

sys.path.append(str(Path(__file__).parents[1] / "crystals"))
from space_group_tables import tables

SETTINGS = {"symprec": 0.1}


def salt(name, length):
    """Rock salt in its primitive cell."""
    face_centred = length / 2 * (np.ones((3, 3)) - np.eye(3))
    points = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    return Crystal(name, face_centred, points, np.array([11, 17]), properties={"band_gap": 8.5})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("asymmetric_units")
    write_space_groups(path / "space_groups.safetensors", tables())
    return path


def test_every_crystal_keeps_its_row(folder):
    layer = Crystal("long", np.diag([4.0, 4.0, 150.0]), np.zeros((1, 3)), np.array([6]), properties={"band_gap": 0.1})
    same = Crystal("same", 4 * np.eye(3), np.zeros((2, 3)), np.array([6, 6]))
    given = [salt("a", 5.6), layer, salt("b", 5.7), same, Crystal.failure("gone", "partial occupancy: C0.5")]
    write_crystals(folder / "crystals.parquet", given, {"dataset": "mine", "split": "val"})
    inputs = (folder / "crystals.parquet", folder / "space_groups.safetensors")
    asymmetric_units(SETTINGS, *inputs, 1, folder / "units.parquet", folder / "summary.csv")
    units = read_crystals(folder / "units.parquet")
    assert [unit.crystal_id for unit in units] == ["a", "long", "b", "same", "gone"]
    assert [unit.status for unit in units] == ["ok", "failed", "ok", "failed", "failed"]
    assert units[0].properties == {"band_gap": 8.5, "space_group": 225, "wyckoff": "ab", "num_atoms": 2}
    assert units[0].frac_coords.tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0.5]]
    assert np.allclose(units[2].lattice, 5.7 * np.eye(3))
    assert units[1].properties["band_gap"] == 0.1
    assert units[4].reason == "partial occupancy: C0.5"
    assert read_metadata(folder / "units.parquet") == {"dataset": "mine", "split": "val", "symprec": 0.1}
    summary = pd.read_csv(folder / "summary.csv", keep_default_na=False).values.tolist()
    assert summary[:4] == [
        ["kept", "", 2],
        ["dropped", "long cell", 1],
        ["dropped", "no space group", 1],
        ["dropped", "partial occupancy", 1],
    ]
    assert [row[1:] for row in summary[4:]][-2:] == [["hexagonal", 0], ["cubic", 2]]
    assert sum(count for outcome, _, count in summary if outcome == "crystal system") == 2


def test_a_file_that_holds_no_space_groups_is_named(folder, tmp_path):
    write_crystals(tmp_path / "crystals.parquet", [salt("a", 5.6)])
    (tmp_path / "broken.safetensors").write_text("nothing")
    with pytest.raises(StageError, match=r"broken.safetensors holds no space groups"):
        inputs = (tmp_path / "crystals.parquet", tmp_path / "broken.safetensors")
        asymmetric_units(SETTINGS, *inputs, 1, tmp_path / "units.parquet", tmp_path / "summary.csv")


@pytest.mark.slow
def test_a_killed_stage_continues_and_ends_with_the_same_file(folder, tmp_path):
    num = 256
    write_crystals(tmp_path / "crystals.parquet", [salt(f"{place}", 5 + 0.01 * place) for place in range(num)])
    inputs = {"crystals": tmp_path / "crystals.parquet", "space-groups": folder / "space_groups.safetensors"}
    outputs = {"output": tmp_path / "killed.parquet", "output-summary": tmp_path / "killed.csv"}
    command = [
        sys.executable,
        "-m",
        "sunflow.stages.asymmetric_units",
        "--threads",
        "1",
        "--settings",
        '{"symprec": 0.1}',
    ]
    command += [text for option, path in (inputs | outputs).items() for text in (f"--{option}", str(path))]
    journal = tmp_path / ".killed.parquet.journal"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.kill()
    finished = journal.read_text().splitlines()
    assert len(finished) < num / 16 + 1 and not outputs["output"].exists()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    left = num - 16 * (len(finished) - 1)
    assert f"finding asymmetric units: {left} crystals" in done.stderr, "finished ones are not encoded again"
    expected = [asymmetric_unit(crystal, tables()).to_record() for crystal in read_crystals(inputs["crystals"])]
    assert [unit.to_record() for unit in read_crystals(outputs["output"])] == expected
    assert pd.read_csv(outputs["output-summary"]).iloc[0].crystals == num
    assert not journal.exists()
