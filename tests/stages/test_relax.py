import json
import logging
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.journal import Journal
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.relaxer import Relaxer
from sunflow.stages import relax as relax_module
from sunflow.stages.command import StageError
from sunflow.stages.gather_relaxed import gather_relaxed
from sunflow.stages.relax import relax, taken_apart

DEMO = Path(__file__).parents[2] / "src/sunflow/crystals/demo/demo.parquet"
LIMITS = {"max_force": 0.02, "max_steps": 100, "timeout": 600.0, "optimizer": "lbfgs", "overlaps": "fail"}
SETTINGS = {"potential": "ase.calculators.emt.EMT", "arguments": {}, **LIMITS}
FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
ALUMINIUM, COPPER, GOLD = 13, 29, 79


def alloy(number, kinds=(COPPER, COPPER, COPPER, ALUMINIUM)):
    """A crystal that is a few steps away from its minimum."""
    moves = 0.02 * np.random.default_rng(number).normal(size=(4, 3))
    return Crystal(f"{number:06d}", 3.7 * np.eye(3), np.mod(FCC + moves, 1.0), np.array(kinds))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("relax")


@pytest.fixture(scope="module")
def samples(folder):
    """Crystals as a generator makes them: good ones, a failed one, an impossible one and one of overlapping atoms."""
    crystals = [alloy(number) for number in range(7)]
    crystals[2] = Crystal.failure("000002", "the generated lattice is not finite")
    crystals[4] = replace(crystals[4], lattice=1000 * np.eye(3))
    crystals[5] = replace(crystals[5], frac_coords=crystals[5].frac_coords * np.array([[1.0], [1.0], [1.0], [0.01]]))
    write_crystals(folder / "samples.parquet", crystals)
    return folder / "samples.parquet"


@pytest.fixture(scope="module")
def whole(folder, samples):
    relax(SETTINGS, samples, 0, 1, 2, folder / "whole.parquet")
    return folder / "whole.parquet"


def test_every_crystal_is_accounted_for(samples, whole):
    relaxed = read_crystals(whole)
    assert [crystal.crystal_id for crystal in relaxed] == [crystal.crystal_id for crystal in read_crystals(samples)]
    assert [crystal.status for crystal in relaxed] == ["ok", "ok", "failed", "ok", "failed", "failed", "ok"]
    assert relaxed[2].reason == "the generated lattice is not finite"
    assert relaxed[4].reason.startswith("absurd cell")
    assert relaxed[5].reason.startswith("overlapping atoms")
    for crystal in (relaxed[0], relaxed[6]):
        assert crystal.properties["max_force"] <= 0.02
        assert crystal.properties["energy_per_atom"] < crystal.properties["initial_energy_per_atom"]
    assert not list(whole.parent.glob(".*.journal"))


def test_outcomes_are_counted(samples, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        relax(SETTINGS | {"max_steps": 1}, samples, 0, 1, 1, tmp_path / "relaxed.parquet")
    assert "7 crystals: {'not_converged': 4, 'failed': 3}" in caplog.text


def test_parts_are_combed_and_make_the_whole(samples, whole, tmp_path):
    parts = [tmp_path / f"{part}.parquet" for part in range(2)]
    for part, path in enumerate(parts):
        relax(SETTINGS, samples, part, 2, 1, path)
    assert [crystal.crystal_id for crystal in read_crystals(parts[1])] == ["000001", "000003", "000005"]
    gather_relaxed(samples, parts[::-1], tmp_path / "relaxed.parquet")
    assert read_metadata(tmp_path / "relaxed.parquet") == read_metadata(whole)
    for ours, theirs in zip(read_crystals(tmp_path / "relaxed.parquet"), read_crystals(whole), strict=True):
        assert (ours.crystal_id, ours.status, ours.reason) == (theirs.crystal_id, theirs.status, theirs.reason)
        expected = theirs.properties["energy_per_atom"]
        assert ours.properties["energy_per_atom"] == (expected and pytest.approx(expected, abs=1e-6))


def test_a_part_may_be_empty(samples, tmp_path):
    relax(SETTINGS, samples, 10, 11, 2, tmp_path / "part.parquet")
    assert read_crystals(tmp_path / "part.parquet") == []


def test_chgnet_relaxes_a_moved_crystal_back(tmp_path):
    given = read_crystals(DEMO)[400]
    moves = 0.01 * np.random.default_rng(0).normal(size=given.frac_coords.shape)
    moved = replace(given, lattice=1.02 * given.lattice, frac_coords=np.mod(given.frac_coords + moves, 1.0))
    write_crystals(tmp_path / "samples.parquet", [replace(moved, properties={})])
    relax(SETTINGS | {"potential": "chgnet"}, tmp_path / "samples.parquet", 0, 1, 1, tmp_path / "relaxed.parquet")
    (relaxed,) = read_crystals(tmp_path / "relaxed.parquet")
    assert (relaxed.status, relaxed.properties["steps"] > 0) == ("ok", True)
    assert relaxed.properties["energy_per_atom"] == pytest.approx(given.properties["energy_per_atom"], abs=2e-3)
    weights_hash = read_metadata(DEMO)["weights_hash"]
    expected = {"potential": "chgnet-0.3.0", "weights_hash": weights_hash, "energy_scale": "MP2020"}
    assert read_metadata(tmp_path / "relaxed.parquet") == expected


def test_the_header_names_the_potential_and_its_arguments(samples, whole, tmp_path):
    arguments = {"asap_cutoff": True, "energy_scale": "effective medium"}
    relax(SETTINGS | {"arguments": arguments}, samples, 10, 11, 1, tmp_path / "part.parquet")
    plain, other = read_metadata(whole), read_metadata(tmp_path / "part.parquet")
    assert plain["weights_hash"] == load_potential(SETTINGS["potential"]).weights_hash != other["weights_hash"]
    assert plain["potential"] == other["potential"]
    assert (plain["energy_scale"], other["energy_scale"]) == (None, "effective medium")


def test_settings_are_taken_apart():
    limits = {"max_force": 0.1, "max_steps": 7, "timeout": 3.0, "optimizer": "fire", "overlaps": "push_apart"}
    load, taken = taken_apart({**SETTINGS, **limits, "arguments": {"energy_scale": "mine"}})
    assert taken == Limits(**limits)
    assert load().energy_scale == "mine"


def test_settings_reach_the_relaxer(samples, whole, tmp_path):
    given = read_crystals(samples)
    write_crystals(tmp_path / "samples.parquet", [given[0], given[5]])

    def relaxed(**changes):
        relax(SETTINGS | changes, tmp_path / "samples.parquet", 0, 1, 1, tmp_path / "relaxed.parquet")
        return read_crystals(tmp_path / "relaxed.parquet")

    plain = read_crystals(whole)[0].properties
    fire, pushed = relaxed(optimizer="fire", overlaps="push_apart")
    rough, overlapping = relaxed(max_force=0.5, arguments={"asap_cutoff": True})
    assert fire.properties["steps"] > plain["steps"] > rough.properties["steps"]
    assert fire.properties["energy_per_atom"] == pytest.approx(plain["energy_per_atom"], abs=1e-3)
    assert rough.properties["initial_energy_per_atom"] != pytest.approx(plain["initial_energy_per_atom"], abs=1e-6)
    assert (pushed.status, overlapping.status) == ("ok", "failed")


def test_an_absurd_cell_fails_alone_also_where_atoms_are_pushed_apart():
    relaxer = Relaxer(load_potential(SETTINGS["potential"]), Limits(overlaps="push_apart"))
    (end,) = relaxer.relax([replace(alloy(0), lattice=10_000 * np.eye(3))])
    assert end.reason.startswith("absurd cell")


@pytest.mark.parametrize(
    ("changes", "part", "message"),
    [
        ({}, 3, "part 3 of 3"),
        ({"potential": "chgnett"}, 0, "nearest name is 'chgnet'"),
        ({"potential": "ase.calculators.emt.EMTT"}, 0, "nearest name is 'EMT'"),
        ({"potential": "chgnet", "arguments": {"weight": "x"}}, 0, "'chgnet' does not take these arguments"),
        ({"potential": "tensornet", "arguments": {"weights": "nowhere"}}, 0, "no model.json, model.pt, state.pt in"),
    ],
)
def test_mistakes_are_named(samples, tmp_path, changes, part, message):
    with pytest.raises(StageError, match=message):
        relax(SETTINGS | changes, samples, part, 3, 1, tmp_path / "part.parquet")


HELD = '''
import time
from pathlib import Path

from ase.calculators.emt import EMT


class Held(EMT):
    """Stands still on the way down of a crystal with gold, as long as there is a file `hold`."""

    steps_with_gold = 0

    def calculate(self, atoms=None, *arguments, **keywords):
        self.steps_with_gold += "Au" in atoms.get_chemical_symbols()
        while self.steps_with_gold > 2 and Path("hold").exists():
            Path("held").touch()
            time.sleep(0.01)
        super().calculate(atoms, *arguments, **keywords)
'''


def test_a_killed_stage_continues_and_ends_with_the_same_file(tmp_path, monkeypatch, caplog):
    """Groups of 16: the kill comes in the middle of the second of three."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.syspath_prepend(tmp_path)
    settings = SETTINGS | {"potential": "held_calculator.Held"}
    samples, killed = tmp_path / "samples.parquet", tmp_path / "killed.parquet"
    (tmp_path / "held_calculator.py").write_text(HELD)
    crystals = [alloy(number, (COPPER, COPPER, COPPER, GOLD if number == 20 else ALUMINIUM)) for number in range(36)]
    write_crystals(samples, crystals)

    (tmp_path / "hold").touch()
    command = [sys.executable, "-m", "sunflow.stages.relax", "--settings", json.dumps(settings), "--part", "0"]
    command += ["--num-parts", "1", "--threads", "1", "--crystals", str(samples), "--output", str(killed)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "held").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    (tmp_path / "hold").unlink()
    _, *kept = map(json.loads, (tmp_path / ".killed.parquet.journal").read_text().splitlines())
    assert [len(record["crystals"]) for record in kept] == [16]
    assert not killed.exists()

    with caplog.at_level(logging.INFO):
        relax(settings, samples, 0, 1, 1, killed)
    assert "relaxing: 20 crystals" in caplog.text
    relax(settings, samples, 0, 1, 1, tmp_path / "whole.parquet")
    assert killed.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert {crystal.status for crystal in read_crystals(killed)} == {"ok"}


@pytest.fixture
def found(monkeypatch):
    """Runs of the stage that end early; what each found in its journal."""
    found = []

    def interrupted(crystals, load, limits, journal: Journal, num_processes):
        found.append(len(journal.records))
        journal.append({"crystals": []})
        raise KeyboardInterrupt

    monkeypatch.setattr(relax_module, "relax_all", interrupted)
    return found


@pytest.mark.parametrize(
    ("change", "kept"),
    [("nothing", 1), ("threads", 1), ("settings", 0), ("weights", 0), ("crystals", 0), ("part", 0), ("code", 0)],
)
def test_a_journal_belongs_to_one_piece_of_work(samples, tmp_path, monkeypatch, found, change, kept):
    def begin(settings, part=0, threads=1):
        with pytest.raises(KeyboardInterrupt):
            relax(settings, tmp_path / "samples.parquet", part, 2, threads, tmp_path / "relaxed.parquet")

    (tmp_path / "weights").write_text("1")
    (tmp_path / "samples.parquet").write_bytes(samples.read_bytes())
    settings = SETTINGS | {"arguments": {"label": str(tmp_path / "weights")}}
    begin(settings)
    if change == "weights":
        (tmp_path / "weights").write_text("2")
    if change == "crystals":
        write_crystals(tmp_path / "samples.parquet", read_crystals(samples)[:-1])
    if change == "code":
        monkeypatch.setattr(relax_module, "code_fingerprint", lambda *modules: "other code")
    changed = {"max_steps": 99} if change == "settings" else {}
    begin(settings | changed, part=int(change == "part"), threads=1 + (change == "threads"))
    assert found == [0, kept]


@pytest.mark.parametrize("room", ["relaxer", "lbfgs", "parallel", "ase_evaluator", "chgnet_evaluator", "screening"])
def test_the_stamp_covers_all_code_that_computes(monkeypatch, samples, tmp_path, found, room):
    """Also of modules that are imported within functions, or by their name only."""
    seen = []
    fingerprint = relax_module.code_fingerprint
    monkeypatch.setattr(
        relax_module, "code_fingerprint", lambda *modules: seen.append(modules) or fingerprint(*modules)
    )
    potential = "chgnet" if room.startswith("chgnet") else SETTINGS["potential"]
    with pytest.raises(KeyboardInterrupt):
        relax(SETTINGS | {"potential": potential}, samples, 0, 1, 1, tmp_path / "relaxed.parquet")
    from sunflow.provenance import _import_closure

    assert f"sunflow.relaxation.{room}" in _import_closure(seen[0])


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
