import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.relaxation.elements import elemental_crystals
from sunflow.relaxation.potential import load_potential
from sunflow.stages import reference_energies as reference_module
from sunflow.stages.command import StageError
from sunflow.stages.gather_relaxed import gather_relaxed
from sunflow.stages.reference_energies import reference_energies
from sunflow.stages.relax import relax

DEMO = Path(__file__).parents[2] / "src/sunflow/crystals/demo/demo.parquet"
SETTINGS = {"potential": "chgnet", "max_force": 0.1, "max_steps": 100, "timeout": 600}


def moved(crystal, number):
    random = np.random.default_rng(number)
    moves = 0.02 * random.normal(size=crystal.frac_coords.shape)
    return Crystal(
        f"{number:06d}",
        crystal.lattice * 1.03,
        np.mod(crystal.frac_coords + moves, 1.0),
        crystal.atomic_numbers,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("relax")


@pytest.fixture(scope="module")
def samples(folder):
    """Nine crystals as a generator makes them: good ones, a failed one, an impossible one."""
    crystals = [moved(crystal, n) for n, crystal in enumerate(read_crystals(DEMO)[40:900:120])]
    crystals[2] = Crystal.failure("000002", "the generated lattice is not finite")
    crystals.append(replace(crystals[0], crystal_id="999999", lattice=1000 * np.eye(3)))
    write_crystals(folder / "samples.parquet", crystals)
    return folder / "samples.parquet"


@pytest.fixture(scope="module")
def whole(folder, samples):
    relax(SETTINGS, samples, 0, 1, 2, folder / "whole.parquet")
    return folder / "whole.parquet"


def test_every_crystal_is_accounted_for(samples, whole):
    relaxed, given = read_crystals(whole), read_crystals(samples)
    assert [crystal.crystal_id for crystal in relaxed] == [crystal.crystal_id for crystal in given]
    assert relaxed[2].reason == "the generated lattice is not finite"
    assert relaxed[-1].reason.startswith("absurd cell")
    good = [crystal for crystal in relaxed if crystal.status == "ok"]
    assert len(good) == len(given) - 2
    for crystal in good:
        assert crystal.properties["max_force"] <= 0.1
        assert crystal.properties["energy_per_atom"] < 0
        assert crystal.properties["steps"] > 0
    potential = load_potential("chgnet")
    assert read_metadata(whole) == {"potential": potential.name, "weights_hash": potential.weights_hash}
    assert not list(whole.parent.glob(".*.journal"))


def test_parts_make_the_whole(samples, whole, tmp_path):
    parts = [tmp_path / f"{part}.parquet" for part in range(2)]
    for part, path in enumerate(parts):
        relax(SETTINGS, samples, part, 2, 1, path)
    gather_relaxed(samples, parts[::-1], tmp_path / "relaxed.parquet")
    assert (tmp_path / "relaxed.parquet").read_bytes() == whole.read_bytes()


def test_a_part_may_be_empty(samples, tmp_path):
    relax(SETTINGS, samples, 10, 11, 2, tmp_path / "part.parquet")
    assert read_crystals(tmp_path / "part.parquet") == []


@pytest.mark.parametrize(
    ("settings", "part", "message"),
    [(SETTINGS, 3, "part 3 of 3"), ({**SETTINGS, "potential": "chgnett"}, 0, "nearest name is 'chgnet'")],
)
def test_mistakes_are_named(samples, tmp_path, settings, part, message):
    with pytest.raises(StageError, match=message):
        relax(settings, samples, part, 3, 1, tmp_path / "part.parquet")


def test_a_killed_stage_continues_and_ends_with_the_same_file(samples, whole, tmp_path):
    killed, journal = tmp_path / "killed.parquet", tmp_path / ".killed.parquet.journal"
    command = [sys.executable, "-m", "sunflow.stages.relax", "--settings", json.dumps(SETTINGS), "--part", "0"]
    command += ["--num-parts", "1", "--threads", "1", "--crystals", str(samples), "--output", str(killed)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not journal.exists() or len(journal.read_bytes().splitlines()) <= 4:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert not killed.exists()
    kept = len(journal.read_bytes().splitlines()) - 1
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert kept >= 4
    assert f"relaxing: {len(read_crystals(samples)) - kept} crystals" in result.stderr
    assert killed.read_bytes() == whole.read_bytes()


def write_part(path, crystals, weights_hash="1"):
    write_crystals(path, crystals, {"potential": "p", "weights_hash": weights_hash})
    return path


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("ab", "", "lack 1 crystals and hold 0 too many, such as 'c'"),
        ("ab", "cb", "lack 0 crystals and hold 1 too many, such as 'b'"),
        ("ab", "cx", "lack 0 crystals and hold 1 too many, such as 'x'"),
    ],
)
def test_gathering_loses_and_doubles_nothing(tmp_path, first, second, message):
    crystal = Crystal("a", 3 * np.eye(3), np.zeros((1, 3)), np.array([3]))
    write_crystals(tmp_path / "samples.parquet", [replace(crystal, crystal_id=name) for name in "abc"])
    parts = [
        write_part(tmp_path / f"{n}.parquet", [replace(crystal, crystal_id=name) for name in names])
        for n, names in enumerate((first, second))
    ]
    with pytest.raises(StageError, match=message):
        gather_relaxed(tmp_path / "samples.parquet", parts, tmp_path / "relaxed.parquet")
    assert not (tmp_path / "relaxed.parquet").exists()


def test_gathering_refuses_parts_of_two_potentials(tmp_path):
    crystal = Crystal("a", 3 * np.eye(3), np.zeros((1, 3)), np.array([3]))
    parts = [write_part(tmp_path / "0.parquet", [crystal]), write_part(tmp_path / "1.parquet", [], "2")]
    with pytest.raises(StageError, match="another potential"):
        gather_relaxed(tmp_path / "0.parquet", parts, tmp_path / "relaxed.parquet")


@pytest.fixture
def demo_splits(tmp_path):
    paths = []
    for split in ("train", "val", "test"):
        crystals = [crystal for crystal in read_crystals(DEMO) if crystal.properties["split"] == split]
        write_crystals(tmp_path / f"{split}.parquet", crystals, read_metadata(DEMO))
        paths.append(tmp_path / f"{split}.parquet")
    return paths


def test_shipped_energies_of_this_potential_are_used_and_nothing_is_computed(demo_splits, tmp_path, monkeypatch):
    monkeypatch.setattr(reference_module, "loader", lambda name: pytest.fail)
    reference_energies("chgnet", demo_splits, 2, tmp_path / "energies.parquet")
    table = pd.read_parquet(tmp_path / "energies.parquet")
    assert table.columns.tolist() == ["entry_id", "formula", "energy_per_atom", "source", "status", "reason"]
    assert set(table["source"]) == {"dataset"}
    expected = sorted(crystal.properties["energy_per_atom"] for crystal in read_crystals(DEMO))
    assert sorted(table["energy_per_atom"]) == expected
    assert table["entry_id"].is_unique
    assert read_metadata(tmp_path / "energies.parquet")["potential"] == "chgnet-0.3.0"


def test_without_shipped_energies_crystals_are_evaluated_and_elements_relaxed(tmp_path, monkeypatch, caplog):
    demo = read_crystals(DEMO)
    binary = next(crystal for crystal in demo if set(crystal.atomic_numbers.tolist()) == {12, 14})
    stripped = replace(binary, properties={"energy_per_atom": -99.0})
    impossible = replace(stripped, crystal_id="bad", atomic_numbers=np.full(binary.num_atoms, 95))
    helium = Crystal("helium", 3 * np.eye(3), np.zeros((1, 3)), np.array([2]))
    gas = replace(helium, crystal_id="He-gas", lattice=7 * np.eye(3))
    monkeypatch.setattr(
        reference_module, "elemental_crystals", lambda symbol: [gas] if symbol == "He" else elemental_crystals(symbol)
    )
    path = tmp_path / "train.parquet"
    write_crystals(path, [stripped, impossible, helium], {"weights_hash": "another potential's"})
    reference_energies("chgnet", [path], 1, tmp_path / "energies.parquet")
    table = pd.read_parquet(tmp_path / "energies.parquet").set_index("entry_id")
    row = table.loc[f"train/{binary.crystal_id}"]
    assert row["energy_per_atom"] == pytest.approx(binary.properties["energy_per_atom"], abs=1e-4)
    assert row["source"] == "single_point"
    assert table.loc["train/bad", "status"] == "failed"
    assert table.loc["train/bad", "reason"] == "unsupported element: Am"
    elements = table[table["source"] == "element"].set_index("formula")["energy_per_atom"]
    assert set(elements.index) == {"Mg", "Si"}
    for symbol, number in (("Mg", 12), ("Si", 14)):
        lowest = min(c.properties["energy_per_atom"] for c in demo if set(c.atomic_numbers.tolist()) == {number})
        assert elements[symbol] == pytest.approx(lowest, abs=1e-3)
    assert "no energy of element He: isolated atoms" in caplog.text
    assert "no energy of element Am: chgnet-0.3.0 does not know it" in caplog.text


def test_names_of_two_splits_may_collide(tmp_path):
    demo = read_crystals(DEMO)[:2]
    for name in ("train", "val"):
        write_crystals(tmp_path / f"{name}.parquet", demo, read_metadata(DEMO))
    reference_energies("chgnet", [tmp_path / f"{n}.parquet" for n in ("train", "val")], 1, tmp_path / "e.parquet")
    ids = pd.read_parquet(tmp_path / "e.parquet")["entry_id"]
    assert len(ids) == 4
    assert all(one != other for one, other in combinations(ids, 2))
