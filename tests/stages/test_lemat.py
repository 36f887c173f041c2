"""Submissions to LeMat-GenBench."""

import json
import zipfile

import numpy as np
import pytest

from sunflow.__main__ import main
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals


def salts(number, **properties):
    places = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    return [
        Crystal(f"{i:03d}", (3 + 0.1 * i) * np.eye(3), places, np.array([55, 17]), properties=properties)
        for i in range(number)
    ]


def exported(folder, crystals, number):
    write_crystals(folder / "crystals.parquet", crystals)
    main(["lemat", str(folder / "crystals.parquet"), "--output", str(folder / "out"), "--num-structures", str(number)])
    with zipfile.ZipFile(folder / "out/structures.zip") as archive:
        return archive.namelist(), json.loads((folder / "out/submission.json").read_text())


def test_failed_crystals_are_passed_over_and_counted(tmp_path):
    crystals = salts(4)
    crystals[1] = Crystal.failure("001", "no")
    names, description = exported(tmp_path, crystals, 2)
    assert names == ["000.cif", "002.cif"]
    assert description == {"num_structures": 2, "relaxed": False, "num_passed_over": 1}


def test_relaxed_crystals_are_said_to_be(tmp_path):
    assert exported(tmp_path, salts(2, energy_per_atom=-3.0), 2)[1]["relaxed"] is True


@pytest.mark.parametrize(
    ("crystals", "sentence"),
    [
        (salts(1), "1 of 1 crystals can be written"),
        ([*salts(2, energy_per_atom=-3.0)[:1], *salts(2)[1:]], "only some crystals are relaxed"),
    ],
)
def test_what_is_no_submission(tmp_path, crystals, sentence):
    with pytest.raises(SystemExit, match=sentence):
        exported(tmp_path, crystals, 2)
