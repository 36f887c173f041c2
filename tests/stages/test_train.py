import json
import logging
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from safetensors.torch import load_file
from tiny_dataset import MODEL, SETTINGS, TRAINING, crystals, one_thread, write_dataset  # noqa: F401

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.generators.crysbfn import CrysBFN
from sunflow.provenance import file_hash
from sunflow.stages.command import StageError
from sunflow.stages.train import train

SAVE_OFTEN = """
import sunflow.training.states as states
states.SECONDS_BETWEEN_STATES, states.MAX_SHARE_OF_TIME = 0.0, float("inf")
import runpy
runpy.run_module("sunflow.stages.train", run_name="__main__")
"""


def outputs(folder):
    return {
        "output": folder / "weights.safetensors",
        "output_description": folder / "weights.json",
        "output_curve": folder / "training_curve.csv",
    }


def archived(folder):
    return sorted(path.name for path in (folder / "archive").iterdir())


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path)


def test_weights_their_description_and_the_curve(dataset, tmp_path):
    train(SETTINGS, **dataset, **outputs(tmp_path / "out"))
    weights = load_file(tmp_path / "out/weights.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    description = json.loads((tmp_path / "out/weights.json").read_text())
    curve = pd.read_csv(tmp_path / "out/training_curve.csv")
    assert {name: description[name] for name in SETTINGS} == SETTINGS
    assert description["statistics"]["atomic_numbers"] == [8, 11, 12]
    assert description["data"] == {"train": file_hash(dataset["train"]), "val": file_hash(dataset["val"])}
    assert description["weights_hash"] == file_hash(tmp_path / "out/weights.safetensors")
    assert description["epochs_trained"] == 6 == len(curve)
    assert description["best_validation_loss"] == pytest.approx(curve["validation_loss"].min())
    assert {"lattice", "frac_coords", "atom_types"} < set(curve.columns)
    assert not (tmp_path / "out/training_state").exists()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(dataset, tmp_path):
    hashes = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        train({**SETTINGS, "seed": seed}, **dataset, **outputs(tmp_path / folder))
        hashes.append(file_hash(tmp_path / folder / "weights.safetensors"))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_retraining_keeps_the_weights_before_it(dataset, tmp_path):
    out = outputs(tmp_path / "out")
    train(SETTINGS, **dataset, **out)
    first = out["output"].read_bytes()
    for path in out.values():  # as Snakemake does
        path.unlink()
    train({**SETTINGS, "training": {**TRAINING, "learning_rate": 0.01}}, **dataset, **out)
    names = archived(tmp_path / "out")
    assert len(names) == 4
    kept = [(tmp_path / "out/archive" / name).read_bytes() for name in names if name.endswith("safetensors")]
    assert sorted(kept) == sorted([first, out["output"].read_bytes()]) and kept[0] != kept[1]


def command_line(settings, dataset, folder):
    """The stage as the workflow calls it, but with a state after every step."""
    arguments = ["--settings", json.dumps(settings), "--accuracy-schedule", dataset["accuracy_schedule"][0]]
    arguments += ["--space-groups", *dataset["space_groups"]]
    arguments += ["--train", dataset["train"], "--val", dataset["val"]]
    for name, path in outputs(folder).items():
        arguments += [f"--{name.replace('_', '-')}", path]
    return [sys.executable, "-c", SAVE_OFTEN, *map(str, arguments)]


def test_after_kill_minus_nine_it_ends_with_the_same_bits(dataset, tmp_path):
    settings = {**SETTINGS, "training": {**TRAINING, "epochs": 40}}
    folder, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    command = command_line(settings, dataset, folder)
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while first.poll() is None and not (folder / "training_state/previous.pt").exists():
        time.sleep(0.01)
    first.kill()
    _, log = first.communicate()
    assert first.returncode == -signal.SIGKILL, log
    assert not (folder / "weights.safetensors").exists()
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0 and "continuing after epoch" in second.stderr, second.stderr
    train(settings, **dataset, **outputs(undisturbed))
    for name in ("weights.safetensors", "weights.json"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name
    curves = [pd.read_csv(path / "training_curve.csv") for path in (folder, undisturbed)]
    for curve in curves:
        del curve["seconds"], curve["crystals_per_second"]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


def test_at_a_cluster_s_time_limit_it_fails_and_says_that_it_will_continue(dataset, tmp_path, monkeypatch):
    def loss(self, crystals, generator, original=CrysBFN.loss):
        os.kill(os.getpid(), signal.SIGTERM)
        return original(self, crystals, generator)

    with monkeypatch.context() as limit:
        limit.setattr(CrysBFN, "loss", loss)
        with pytest.raises(StageError, match="stopped by SIGTERM after step 1; the same command will continue"):
            train(SETTINGS, **dataset, **outputs(tmp_path / "out"))
    assert (tmp_path / "out/training_state/latest.pt").exists()
    train(SETTINGS, **dataset, **outputs(tmp_path / "out"))
    train(SETTINGS, **dataset, **outputs(tmp_path / "undisturbed"))
    assert (tmp_path / "out/weights.json").read_bytes() == (tmp_path / "undisturbed/weights.json").read_bytes()


def test_crystals_that_are_not_ok_are_left_out_and_counted(dataset, tmp_path, caplog):
    train(SETTINGS, **dataset, **outputs(tmp_path / "a"))
    write_crystals(dataset["train"], [Crystal.failure("bad", "overlap"), *crystals(10)])
    write_crystals(dataset["val"], [*crystals(4, first=10), *crystals(3, elements=(92,), first=20)])
    train(SETTINGS, **dataset, **outputs(tmp_path / "b"))
    assert "1 of 11 crystals are not ok" in caplog.text
    assert "3 crystals hold elements that the train split has not" in caplog.text
    a, b = (json.loads((tmp_path / folder / "weights.json").read_text()) for folder in "ab")
    assert a["weights_hash"] == b["weights_hash"] and a["data"] != b["data"]


def test_splits_without_usable_crystals(dataset, tmp_path):
    write_crystals(dataset["val"], crystals(3, elements=(92,)))
    with pytest.raises(StageError, match=r"val\.parquet holds no crystal made of elements of the train split"):
        train(SETTINGS, **dataset, **outputs(tmp_path / "out"))
    for split in ("val", "train"):
        write_crystals(dataset[split], [])
        with pytest.raises(StageError, match=rf"{split}\.parquet holds no usable crystal"):
            train(SETTINGS, **dataset, **outputs(tmp_path / "out"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "crysbnf"}, "'crysbnf' is no kind of generator.*'crysbfn'"),
        ({"model": {**MODEL, "hiden_dim": 3}}, r"model\.hiden_dim .* hidden_dim"),
        ({"model": {**MODEL, "num_steps": 7}}, "num_steps is 7, but the .*schedule has 6"),
        ({"training": {**TRAINING, "epoch": 3}}, r"training\.epoch is no setting"),
        ({"training": {**TRAINING, "batch_size": 0}}, r"training\.batch_size is 0"),
    ],
)
def test_wrong_settings_are_named(dataset, tmp_path, change, message):
    with pytest.raises(StageError, match=message):
        train({**SETTINGS, **change}, **dataset, **outputs(tmp_path / "out"))


def test_a_file_that_is_no_schedule_is_named(dataset, tmp_path):
    dataset["accuracy_schedule"][0].write_text("step,alpha\n1,2\n")
    with pytest.raises(StageError, match=r"schedule_6\.csv has no column accuracy, but step, alpha"):
        train(SETTINGS, **dataset, **outputs(tmp_path / "out"))


def test_a_state_of_other_settings_is_not_continued(dataset, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("sunflow.training.states.TrainingStates.remove", lambda self: None)
    train(SETTINGS, **dataset, **outputs(tmp_path / "a"))
    changed = {**SETTINGS, "training": {**TRAINING, "learning_rate": 0.01}}
    train(changed, **dataset, **outputs(tmp_path / "a"))
    assert "belongs to other settings" in caplog.text and "continuing" not in caplog.text
    train(changed, **dataset, **outputs(tmp_path / "b"))
    assert file_hash(tmp_path / "a/weights.safetensors") == file_hash(tmp_path / "b/weights.safetensors")


def torchrun(settings, dataset, folder):
    """The same by two processes, which take the batch size in equal parts."""
    halved = {**settings, "training": {**settings["training"], "batch_size": settings["training"]["batch_size"] // 2}}
    script = folder.with_suffix(".py")
    script.write_text(SAVE_OFTEN)
    arguments = command_line(halved, dataset, folder)[3:]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, *arguments]


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(dataset, tmp_path):
    """Stopped once on the way, and continued by the same command."""
    settings = {**SETTINGS, "training": {**TRAINING, "epochs": 40}}
    command = torchrun(settings, dataset, tmp_path / "two")
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while first.poll() is None and not (tmp_path / "two/training_state/previous.pt").exists():
        time.sleep(0.01)
    first.terminate()
    _, log = first.communicate()
    assert first.returncode and "stopped by SIGTERM after step" in log, log
    assert not (tmp_path / "two/weights.safetensors").exists()
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0 and second.stderr.count("continuing after epoch") == 1, second.stderr
    train(settings, **dataset, **outputs(tmp_path / "one"))
    one, two = (load_file(tmp_path / folder / "weights.safetensors") for folder in ("one", "two"))
    for name, tensor in one.items():
        assert (two[name] - tensor).norm() <= 1e-6 * tensor.norm(), name
    descriptions = [json.loads((tmp_path / folder / "weights.json").read_text()) for folder in ("one", "two")]
    assert [description["processes"] for description in descriptions] == [1, 2]


@pytest.mark.parametrize("kind", ["substitution", "random"])
def test_a_control_is_what_it_remembers(kind, dataset, tmp_path):
    """Its training is written like any other, but has no epochs."""
    settings = {**SETTINGS, "kind": kind, "model": {}}
    train(settings, **{**dataset, "accuracy_schedule": []}, **outputs(tmp_path / "out"))
    weights = load_file(tmp_path / "out/weights.safetensors")
    assert weights["train_num_atoms"].tolist() == [crystal.num_atoms for crystal in crystals(10)]
    description = json.loads((tmp_path / "out/weights.json").read_text())
    assert {name: description[name] for name in settings} == settings
    assert (description["epochs_trained"], description["best_validation_loss"]) == (0, None)
    assert len(archived(tmp_path / "out")) == 2 and not (tmp_path / "out/training_state").exists()
    curve = pd.read_csv(tmp_path / "out/training_curve.csv")
    train(SETTINGS, **dataset, **outputs(tmp_path / "other"))
    usual = pd.read_csv(tmp_path / "other/training_curve.csv").columns
    assert not len(curve) and [name for name in usual if name in curve.columns] == list(curve.columns)
    assert set(usual) - set(curve.columns) == {"lattice", "frac_coords", "atom_types"}


def test_a_task_that_a_control_does_not_know(dataset, tmp_path):
    settings = {**SETTINGS, "kind": "substitution", "model": {}, "task": "structure_prediction"}
    with pytest.raises(StageError, match="substitution knows the task generation, not structure_prediction"):
        train(settings, **{**dataset, "accuracy_schedule": []}, **outputs(tmp_path / "out"))
