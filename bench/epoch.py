"""An epoch of training, by the real trainer, on crystals of MP-20's sizes."""

import time

import torch

from bench.floors import Floor
from bench.paper import batch, paper_generator
from sunflow.crystals.loader import CrystalLoader
from sunflow.training.settings import TrainingSettings
from sunflow.training.trainer import Trainer

FLOOR = Floor(crystals=27_136, target=1.5, straightforward=0.42, best=0.18)
NUM_STEPS, WARM_UP_STEPS = 1000, 10


def epoch(crystals: int = FLOOR.crystals, device: str = "cpu") -> None:
    """Wall time of all batches of 256; bfloat16 on a GPU. A few steps before them do not count."""
    trainer = _trainer(crystals, torch.device(device))
    print(f"{len(trainer.train)} batches of up to {trainer.settings.batch_size}, {trainer.precision.dtype}, {device}")
    for _, some in zip(range(WARM_UP_STEPS if device != "cpu" else 1), trainer.train.epoch(1), strict=False):
        trainer.train_on(some)
    trainer.position = 0
    _wait(device)
    start = time.perf_counter()
    for some in trainer.remaining_batches():
        trainer.train_on(some)
    _wait(device)
    FLOOR.print_share(time.perf_counter() - start, crystals)


def _trainer(crystals: int, device: torch.device) -> Trainer:
    settings = TrainingSettings()
    everything = batch(crystals).to_crystals([str(index) for index in range(crystals)])
    train = CrystalLoader(everything, settings.batch_size, device, shuffle_seed=0)
    return Trainer(paper_generator(NUM_STEPS).to(device), train, train, settings, seed=0)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
