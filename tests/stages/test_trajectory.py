"""The crystal worth showing is generated again, and its estimates are written."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from ase.io import read
from tiny_dataset import MODEL, crystals, one_thread, schedule  # noqa: F401

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.statistics import dataset_statistics
from sunflow.generators.crysbfn import CrysBFN
from sunflow.generators.generator import build
from sunflow.stages.command import StageError
from sunflow.stages.retracing import retrace
from sunflow.stages.sample import Trained, requested, sample
from sunflow.stages.trajectory import MAX_FRAMES, chosen, spread, trajectory, unlike
from sunflow.training.accuracies import read_accuracies
from sunflow.training.checkpoint import save_weights

SETTINGS = {"num_crystals": 11, "batch_size": 4, "num_steps": 6, "sampler": "redraw", "seed": 5}
estimates_of = CrysBFN.trajectory


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    statistics = dataset_statistics(crystals(10))
    files = schedule(tmp_path)
    weights = tmp_path / "weights.safetensors"
    generator = build("crysbfn", "generation", MODEL, statistics, read_accuracies(files))
    description = {"kind": "crysbfn", "task": "generation", "model": MODEL, "statistics": statistics}
    save_weights(weights, generator.state_dict(), weights.with_suffix(".json"), description)
    return {"settings": SETTINGS, "task": "generation", "weights": weights, "accuracy_schedule": files, "targets": []}


@pytest.fixture
def samples(trained, tmp_path):
    sample(**trained, output=tmp_path / "samples.parquet", output_time=tmp_path / "time.json")
    return tmp_path / "samples.parquet"


def verdicts(folder, *rows):
    """A table of (crystal_id, converged, energy above hull, S.U.N.)."""
    path = folder / "sun_crystals.csv"
    pd.DataFrame(rows, columns=["crystal_id", "converged", "energy_above_hull", "sun"]).to_csv(path, index=False)
    return path


def run(trained, samples, table, **changes):
    output, frames = samples.with_name("trajectory.extxyz"), samples.with_name("trajectory.parquet")
    settings = {**trained["settings"], **changes}
    files = {"samples": samples, "crystals": table, "output": output, "output_frames": frames}
    trajectory(**{**trained, "settings": settings}, **files)
    return output, frames


def named(*names, status="ok"):
    return [Crystal(name, np.eye(3), np.zeros((1, 3)), np.ones(1), status) for name in names]


def test_the_frames_lead_to_the_sample(trained, samples, tmp_path):
    table = verdicts(tmp_path, ("000002", True, 0.3, False), ("000006", True, 0.1, True))
    output, path = run(trained, samples, table)
    frames = read_crystals(path)
    assert [frame.properties["step"] for frame in frames] == [1, 2, 3, 4, 5, 6]
    assert [frame.properties["time"] for frame in frames] == pytest.approx([step / 6 for step in range(6)])
    assert {frame.properties["sample_id"] for frame in frames} == {"000006"}
    assert unlike(frames[-1], read_crystals(samples)[6]) == ""
    assert read_metadata(path) == {"sample_id": "000006", "num_steps": 6, "difference": ""}
    images = read(output, ":")
    assert len({image.info["crystal_id"] for image in images}) == 6
    assert [image.info["step"] for image in images] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(images[-1].cell.array, frames[-1].lattice)


@pytest.mark.parametrize("changes", [{}, {"chemical_system": ["Mg", "O"]}])
def test_in_its_batch_every_crystal_comes_out_again(changes, trained, tmp_path):
    settings = {**SETTINGS, **changes}
    sample(**{**trained, "settings": settings}, output=tmp_path / "s.parquet", output_time=tmp_path / "t.json")
    generator = Trained.read(settings, "generation", trained["weights"], trained["accuracy_schedule"])
    wanted = requested(settings, generator, [])
    for number, made in enumerate(read_crystals(tmp_path / "s.parquet")):
        *_, last = retrace(generator, settings, wanted, number)
        np.testing.assert_array_equal(last.lattice, made.lattice)
        np.testing.assert_array_equal(last.frac_coords, made.frac_coords)
        np.testing.assert_array_equal(last.atomic_numbers, made.atomic_numbers)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", True, -0.2, False), ("b", True, 0.0, True), ("c", True, -0.1, True)], "c"),
        ([("a", True, 0.2, False), ("b", True, 0.1, False), ("c", False, None, False)], "b"),
        ([("a", True, None, None), ("b", True, 0.1, False), ("c", False, -0.5, False)], "b"),
        ([("a", True, None, None), ("b", False, None, None), ("c", False, None, None)], "a"),
        ([("a", False, None, None), ("b", False, None, None), ("c", False, None, None)], "a"),
    ],
    ids=["S.U.N.", "converged", "with an energy", "without any energy", "the first"],
)
def test_the_best_crystal_is_shown(rows, expected, tmp_path):
    assert chosen(verdicts(tmp_path, *rows), named("a", "b", "c")).crystal_id == expected


def test_where_nothing_converged_a_failed_sample_is_the_last_choice(tmp_path):
    table = verdicts(tmp_path, ("a", False, None, None), ("b", False, None, None))
    assert chosen(table, named("a", status="failed") + named("b")).crystal_id == "b"
    assert chosen(table, named("a", "b", status="failed")).crystal_id == "a"


@pytest.mark.parametrize("num_steps", [0, 1, MAX_FRAMES, MAX_FRAMES + 1, 333, 1000])
def test_frames_are_few_and_at_equal_distances_of_step(num_steps):
    steps = [int(frame.crystal_id) for frame in spread(named(*map(str, range(1, num_steps + 1))))]
    if num_steps <= MAX_FRAMES:
        assert steps == list(range(1, num_steps + 1))
    else:
        assert MAX_FRAMES / 2 < len(steps) <= MAX_FRAMES
        assert len(set(np.diff(steps))) == 1
        assert steps[-1] == num_steps


def test_flat_cells_are_written_and_numbers_that_are_not_finite_left_out(
    trained, samples, tmp_path, monkeypatch, caplog
):
    def broken(self, condition, seeds, sampler):
        for step, batch in enumerate(estimates_of(self, condition, seeds, sampler), 1):
            fault = {1: 0.0, 3: torch.nan}.get(step, 1.0)
            yield CrystalBatch(batch.lattice * fault, batch.frac_coords, batch.atomic_numbers, batch.num_atoms)

    monkeypatch.setattr(CrysBFN, "trajectory", broken)
    with caplog.at_level(logging.INFO):
        output, path = run(trained, samples, verdicts(tmp_path, ("000001", True, 0.0, True)))
    assert [frame.properties["step"] for frame in read_crystals(path)] == [1, 2, 4, 5, 6]
    assert [image.info["step"] for image in read(output, ":")] == [1, 2, 4, 5, 6]
    assert "000001_step_3 is left out" in caplog.text


def test_a_crystal_that_never_was_leaves_an_empty_trajectory(trained, samples, tmp_path, monkeypatch):
    def lost(self, condition, seeds, sampler):
        for batch in estimates_of(self, condition, seeds, sampler):
            yield CrystalBatch(batch.lattice * torch.nan, batch.frac_coords, batch.atomic_numbers, batch.num_atoms)

    monkeypatch.setattr(CrysBFN, "trajectory", lost)
    output, path = run(trained, samples, verdicts(tmp_path, ("000000", False, None, None)))
    assert read_crystals(path) == [] and output.read_text() == ""
    assert read_metadata(path)["num_steps"] == 6


def test_a_crystal_that_comes_out_otherwise_is_told(trained, samples, tmp_path, caplog):
    others = [
        replace(crystal, lattice=crystal.lattice + 0.05 * (crystal.crystal_id == "000001"))
        for crystal in read_crystals(samples)
    ]
    write_crystals(samples, others)
    _, path = run(trained, samples, verdicts(tmp_path, ("000001", True, 0.0, True)))
    assert "is not the sample 000001: its atoms lie up to" in caplog.text
    assert read_metadata(path)["difference"] in caplog.text


def test_what_differs_between_two_crystals():
    one = Crystal("1", 4 * np.eye(3), np.array([[0, 0, 0.999], [0.5, 0.5, 0.5]]), np.array([11, 17]))
    image = replace(one, frac_coords=np.array([[0, 0, 0.0], [0.5, 0.5, 0.5]]))
    assert unlike(one, image) == ""  # 0.004 Å across the border of the cell
    moved = replace(one, frac_coords=one.frac_coords + np.array([[0, 0, 0], [0.01, 0, 0]]))
    assert "0.04 Å" in unlike(one, moved)
    assert unlike(one, replace(one, atomic_numbers=np.array([19, 17]))) == "its atoms are Na Cl, not K Cl"
    strained = replace(one, lattice=np.diag([4.0, 4.0, 4.02]))
    assert "0.02 Å elsewhere" in unlike(one, strained)


def test_a_table_of_another_kind(trained, samples, tmp_path):
    table = verdicts(tmp_path, ("000000", True, 0.0, True))
    pd.read_csv(table, dtype=str).drop(columns="sun").to_csv(table, index=False)
    with pytest.raises(StageError, match=r"sun_crystals\.csv has no column sun: make it again"):
        run(trained, samples, table)


def test_a_crystal_that_is_unknown(trained, samples, tmp_path):
    with pytest.raises(StageError, match=r"names crystal 000044, which is no sample: make it again"):
        run(trained, samples, verdicts(tmp_path, ("000044", True, 0.0, True)))
    with pytest.raises(StageError, match="crystal 000009 is none of the 7 that the settings ask for: sample again"):
        run(trained, samples, verdicts(tmp_path, ("000009", True, 0.0, True)), num_crystals=7)
