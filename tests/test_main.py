"""`python -m sunflow relax`, as its users call it."""

import os
import signal
import subprocess
import sys
import time
from unittest.mock import Mock

import numpy as np
import pyarrow.parquet as pq
import pytest
from ase.io import read

from sunflow.__main__ import main
from sunflow.atomic import output_lock
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.inputs import read_inputs
from sunflow.crystals.structures import write_cif_zip, write_extended_xyz
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.parallel import relax_all
from sunflow.stages import relax_command
from sunflow.stages.relax import taken_apart
from sunflow.stages.relax_inputs import COLUMNS, RELAXED, STRUCTURES, TRAJECTORIES, summary

COPPER, IRON = 29, 26
FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
EMT = ("--potential", "ase.calculators.emt.EMT", "--threads", "1")


def copper(number, element=COPPER):
    moves = 0.02 * np.random.default_rng(number).normal(size=FCC.shape)
    return Crystal(f"{number:06d}", (3.5 + 0.02 * (number % 16)) * np.eye(3), (FCC + moves) % 1, np.full(4, element))


@pytest.fixture(scope="module")
def cifs(tmp_path_factory):
    """A folder of five CIFs: two good ones, and three with which something is wrong."""
    folder = tmp_path_factory.mktemp("cifs")
    write_cif_zip(folder / "a.zip", [copper(17), copper(3), copper(20, IRON)])
    subprocess.run([sys.executable, "-m", "zipfile", "-e", "a.zip", "."], cwd=folder, check=True)
    (folder / "again").mkdir()
    (folder / "again/000017.cif").write_text((folder / "000017.cif").read_text()[:200])
    close = Crystal("close", 4 * np.eye(3), np.array([[0, 0, 0], [0.05, 0, 0]]), np.full(2, COPPER))
    write_cif_zip(folder / "b.zip", [close])
    subprocess.run([sys.executable, "-m", "zipfile", "-e", "b.zip", "."], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def relaxed(cifs, tmp_path_factory):
    output = tmp_path_factory.mktemp("relaxed") / "new/folder"
    main(["relax", str(cifs), "--output", str(output), *EMT, "--trajectory", "2"])
    return output


def test_every_crystal_is_a_row(relaxed):
    rows = read_crystals(relaxed / RELAXED)
    reasons = {row.crystal_id: (row.status, row.reason.partition(":")[0]) for row in rows}
    assert reasons == {
        "000003": ("ok", ""),
        "000017": ("ok", ""),
        "000020": ("failed", "NotImplementedError"),
        "000017_2": ("failed", "parse failure"),
        "close": ("failed", "overlapping atoms"),
    }
    assert rows[3].properties["file"] == "again/000017.cif"
    columns = pq.read_schema(relaxed / RELAXED).names
    assert columns[:3] == ["crystal_id", "status", "reason"] and columns[-len(COLUMNS) :] == list(COLUMNS)
    for row in rows:
        assert row.properties["converged"] is (row.status == "ok")
    assert rows[0].properties["max_force"] <= Limits.max_force
    assert rows[0].properties["energy_per_atom"] < rows[0].properties["initial_energy_per_atom"]
    assert read_metadata(relaxed / RELAXED)["potential"].startswith("ase.calculators.emt.EMT")


def test_structures_and_ways(relaxed):
    structures = read_inputs(relaxed / STRUCTURES)
    rows = [row for row in read_crystals(relaxed / RELAXED) if row.status == "ok"]
    assert [crystal.crystal_id for crystal in structures] == ["000003", "000017"]
    for atoms, row in zip(read(relaxed / STRUCTURES, ":"), rows, strict=True):
        assert atoms.info["status"] == "ok"
        assert atoms.info["energy_per_atom"] == row.properties["energy_per_atom"]
        np.testing.assert_allclose(atoms.cell.array, row.lattice, atol=1e-7)
    frames = read(relaxed / TRAJECTORIES, ":")
    steps = [int(atoms.info["steps"]) for atoms in frames if atoms.info["crystal_id"].startswith("000003/")]
    assert steps == list(range(0, rows[0].properties["steps"] + 1, 2))


def test_it_is_the_pipelines_code(cifs, relaxed, tmp_path):
    from sunflow.journal import Journal

    load, limits = taken_apart({"potential": EMT[1]})
    with Journal(tmp_path / "journal", "") as journal:
        expected = relax_all(read_inputs(cifs), load, limits, journal, 1)
    for ours, theirs in zip(read_crystals(relaxed / RELAXED), expected, strict=True):
        assert ours.status == theirs.status
        np.testing.assert_array_equal(ours.lattice, theirs.lattice)
        assert ours.properties["energy_per_atom"] == theirs.properties.get("energy_per_atom")


def test_the_same_command_again_only_tells(cifs, relaxed, capsys, monkeypatch):
    monkeypatch.setattr("sunflow.stages.relax_inputs.relax_all", lambda *_: pytest.fail("relaxed again"))
    main(["relax", str(cifs), "--output", str(relaxed), *EMT, "--trajectory", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 crystals: 2 ok, 0 not converged, 3 failed"
    assert set(lines[1:4]) == {
        "  1 failed: NotImplementedError (such as 000020.cif)",
        "  1 failed: parse failure (such as again/000017.cif)",
        "  1 failed: overlapping atoms (such as close.cif)",
    }
    assert lines[4].startswith("written: ") and lines[4].endswith(TRAJECTORIES)
    with pytest.raises(SystemExit, match="comes from other crystals, settings or code: choose another --output"):
        main(["relax", str(cifs), "--output", str(relaxed), *EMT])


def test_options_reach_the_relaxer(tmp_path, capsys):
    close = Crystal("close", 4 * np.eye(3), np.array([[0, 0, 0], [0.05, 0, 0]]), np.full(2, COPPER))
    stale = {"frame_of": "x", "energy_per_atom": -99.0, "split": "val"}
    failed = Crystal.failure("gone", "not generated", **stale)
    write_crystals(tmp_path / "given.parquet", [failed, close.with_properties(**stale)])
    options = (
        "--overlaps",
        "push_apart",
        "--max-steps",
        "1",
        "--optimizer",
        "fire",
        "--arguments",
        '{"asap_cutoff": true}',
    )
    main(["relax", str(tmp_path / "given.parquet"), "--output", str(tmp_path), *EMT, *options])
    assert "1 not converged: step limit (such as close)" in capsys.readouterr().out
    gone, pushed = read_crystals(tmp_path / RELAXED)
    assert gone.reason == "not generated" and gone.properties["energy_per_atom"] is None
    assert gone.properties["split"] == "val" and "frame_of" not in gone.properties
    assert pushed.properties["steps"] == 1
    assert not (tmp_path / TRAJECTORIES).exists()
    (atoms,) = read(tmp_path / STRUCTURES, ":")
    assert atoms.info["status"] == "not_converged"


@pytest.mark.slow
def test_a_killed_command_continues_and_ends_with_the_same_files(tmp_path):
    write_extended_xyz(tmp_path / "given.extxyz", [copper(number) for number in range(64)])
    arguments = ["relax", str(tmp_path / "given.extxyz"), *EMT]
    arguments += ["--max-force", "0.001", "--trajectory", "5", "--output"]
    command = [sys.executable, "-m", "sunflow", *arguments]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    journal = killed / f".{RELAXED}.journal"
    with subprocess.Popen([*command, str(killed)], stderr=subprocess.DEVNULL) as process:
        while not journal.exists() or len(journal.read_bytes().splitlines()) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert not list(killed.glob("[!.]*"))
    kept = len(journal.read_bytes().splitlines()) - 1
    with journal.open("a") as stream:
        stream.write('{"crystals": [{"crystal_id": "0000')
    again = subprocess.run([*command, str(killed)], check=True, capture_output=True, text=True)
    assert f"relaxing: {64 - 16 * kept} crystals" in again.stderr and 16 * kept < 64
    assert again.stdout.startswith("64 crystals: 64 ok, 0 not converged, 0 failed\n")
    main([*arguments, str(whole)])
    for name in (RELAXED, STRUCTURES, TRAJECTORIES):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert not journal.exists()
    assert [row.crystal_id for row in read_crystals(whole / RELAXED)] == [f"{number:06d}" for number in range(64)]


def mistake(*words):
    return subprocess.run(
        [sys.executable, "-m", "sunflow", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_a_mistake_of_the_user_is_one_sentence(tmp_path):
    failed = mistake("relax", tmp_path / "gone", "--output", tmp_path / "out")
    assert failed.returncode == 1
    assert failed.stderr == f"relax failed: there is no file or folder {tmp_path / 'gone'}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), r"holds no crystals \(no \*\.cif\)"),
        (("--potential", "chgnett"), "nearest name is 'chgnet'"),
        (("--potential", "no_such.Calculator"), "cannot be imported, is its package installed"),
        (
            ("--potential", "fractions.Fraction"),
            "cannot be made: ValueError: .* gives a Fraction, not an ASE calculator",
        ),
        (("--arguments", '{"size": 3}'), "does not take these arguments"),
    ],
)
def test_mistakes_are_named(tmp_path, options, words):
    with pytest.raises(SystemExit, match=f"relax failed: .*{words}"):
        main(["relax", str(tmp_path), "--output", str(tmp_path / "out"), *options])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--arguments", "{"), "'{' is not JSON"),
        (("--arguments", "[]"), "'[]' is not a JSON object"),
        (("--max-force", "0"), "0 is not a positive number"),
        (("--max-force", "much"), "invalid number value: 'much'"),
        (("--threads", "0"), "0 is less than 1"),
        (("--optimizer", "adam"), "invalid choice: 'adam'"),
    ],
)
def test_wrong_options_are_named(tmp_path, capsys, options, words):
    with pytest.raises(SystemExit):
        main(["relax", str(tmp_path), "--output", str(tmp_path / "out"), *options])
    assert words in capsys.readouterr().err


def test_an_output_that_is_a_file_or_held(cifs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="file is a file, not a folder"):
        main(["relax", str(cifs), "--output", str(tmp_path / "file"), *EMT])
    with output_lock(tmp_path / RELAXED), pytest.raises(SystemExit, match="being written by process"):
        main(["relax", str(cifs), "--output", str(tmp_path), *EMT])
    (tmp_path / RELAXED).write_text("?")
    with pytest.raises(SystemExit, match="comes from other crystals"):
        main(["relax", str(cifs), "--output", str(tmp_path), *EMT])


def test_an_interrupted_command_says_how_to_continue(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(relax_command, "relax_inputs", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(SystemExit) as ended:
        main(["relax", str(tmp_path), "--output", str(tmp_path)])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "relax interrupted: the same command continues\n"


def test_commands_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "relax     relax crystals" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["relx"])
    assert "invalid choice: 'relx'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["relax", "--help"])
    assert "usage: python -m sunflow relax" in capsys.readouterr().out


def test_the_summary_counts_reasons():
    crystals = [copper(0), *(Crystal.failure(f"{n}", f"no cell: {n}") for n in range(2)), Crystal.failure("x", "odd")]
    assert summary(crystals).splitlines() == [
        "4 crystals: 1 ok, 0 not converged, 3 failed",
        "  2 failed: no cell (such as 0)",
        "  1 failed: odd (such as x)",
    ]
