"""Trainings of the tiny generator, by as many processes as there are: `python together.py FOLDER` under torchrun."""

import os
import signal
import sys
from pathlib import Path

import pandas as pd
import torch
from tiny_generator import TinyGenerator, crystals, settings

from sunflow.crystals.loader import CrystalLoader
from sunflow.training.fit import fit
from sunflow.training.parallel import processes
from sunflow.training.states import TrainingStates
from sunflow.training.trainer import Trainer, TrainingError

CRYSTALS = 13
"""With 4 crystals in a step of all processes, the last batch of an epoch has one."""

CASES = {"default": {}, "plain": {"max_gradient_norm": None}, "clipped": {"max_gradient_norm": 0.02}}
LAST = {"early_stopping": None, "epochs": 6, "averaging_start": 2}


class Killed(BaseException):
    """As sudden as kill -9."""


class AlwaysDue(TrainingStates):
    due = True


def train(group, folder, hook=None, **changes):
    """One training, from its last state on; all processes together take 4 crystals at a step."""
    chosen = settings(**LAST, **changes, batch_size=4 // group.size)
    generator = TinyGenerator()
    generator.hook = hook
    train, val = (
        CrystalLoader(crystals(num), chosen.batch_size, "cpu", shuffle, group.rank, group.size)
        for num, shuffle in ((CRYSTALS, 1), (5, None))
    )
    trainer = Trainer(generator, train, val, chosen, 0, group)
    fit(trainer, AlwaysDue(folder / "training_state", "stamp"), folder / "curve.csv")
    curve = pd.read_csv(folder / "curve.csv").drop(columns=["crystals_per_second", "seconds"])
    return {"best": trainer.best_weights, "last": generator.state_dict(), "curve": curve.to_dict("list")}


def at_call(number, act):
    """A hook that does something at one call of the loss."""
    return lambda generator, terms: act(terms) if generator.calls == number else terms


def poisoned(rank):
    """A crystal of this process has a loss that is not a number, at step 7."""

    def act(terms):
        return {name: rows * (float("nan") if rank == 0 else 1.0) for name, rows in terms.items()}

    return at_call(7, act)


def die(terms):
    raise Killed


def killed(group, folder):
    """All processes die at step 8, and the training is continued."""
    try:
        train(group, folder, at_call(8, die))
    except Killed:
        return train(group, folder)


def stopped(group, folder):
    """The last process alone is asked to stop at step 6: all stop after it."""

    def act(terms):
        if group.rank == group.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return terms

    try:
        train(group, folder, at_call(6, act))
    except TrainingError as error:
        return {**train(group, folder), "error": str(error)}


def all_cases(group, folder):
    """The outcome of every case, as it is in the first process."""
    outcomes = {name: train(group, folder / name, **changes) for name, changes in CASES.items()}
    outcomes["poisoned"] = train(group, folder / "poisoned", poisoned(group.size - 1 - group.rank))
    outcomes["killed"] = killed(group, folder / "killed")
    outcomes["stopped"] = stopped(group, folder / "stopped")
    return outcomes


if __name__ == "__main__":
    torch.set_num_threads(1)
    with processes() as group:
        folder = Path(sys.argv[1])
        torch.save(all_cases(group, folder), folder / f"rank_{group.rank}.pt")
