"""A dataset and a network small enough to train in a second."""

import numpy as np
import pytest
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.stages.accuracy_schedule import accuracy_schedule

MODEL = {"hidden_dim": 16, "num_layers": 1, "num_frequencies": 4, "time_dim": 8, "num_steps": 6, "schedule": "linear"}
TRAINING = {"epochs": 6, "batch_size": 4, "validate_every": 2, "averaging_decay": 0.9, "averaging_start": 5}
SETTINGS = {"kind": "crysbfn", "task": "generation", "model": MODEL, "training": TRAINING, "seed": 3}


def crystals(num, elements=(8, 11, 12), first=0):
    numbers = np.random.default_rng(first)
    made = []
    for index in range(first, first + num):
        size = 1 + index % 3
        lattice = 4.0 * np.eye(3) + 0.1 * numbers.normal(size=(3, 3))
        frac_coords, types = numbers.random((size, 3)), numbers.choice(elements, size)
        made.append(Crystal(f"c{index}", lattice, frac_coords, types, properties={"band_gap": float(index)}))
    return made


def schedule(folder, num_steps=6):
    path = folder / f"schedule_{num_steps}.csv"
    accuracy_schedule("official", num_steps, 1000.0, path)
    return [path]


def write_dataset(folder):
    write_crystals(folder / "train.parquet", crystals(10))
    write_crystals(folder / "val.parquet", crystals(4, first=10))
    files = {split: folder / f"{split}.parquet" for split in ("train", "val")}
    return {**files, "accuracy_schedule": schedule(folder), "space_groups": []}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Stages set threads and determinism for the whole process: put them back."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
