import os
import signal

import pandas as pd
import pytest
import torch
from tiny_generator import TinyGenerator, crystals, settings

from sunflow.crystals.loader import CrystalLoader
from sunflow.training import trainer as trainer_module
from sunflow.training.fit import fit
from sunflow.training.states import TrainingStates
from sunflow.training.trainer import Trainer, TrainingError

TIMES = ["crystals_per_second", "seconds"]


class Killed(BaseException):
    """As sudden as kill -9."""


class StatesNowAndThen(TrainingStates):
    """Saves at every n-th opportunity instead of by the clock."""

    every = 1

    def __init__(self, folder, stamp="stamp"):
        super().__init__(folder, stamp)
        self.opportunities = 0

    @property
    def due(self):
        self.opportunities += 1
        return self.opportunities % self.every == 0


def make(generator=None, **changes):
    chosen = settings(**changes)
    train = CrystalLoader(crystals(), chosen.batch_size, "cpu", shuffle_seed=1)
    return Trainer(generator or TinyGenerator(), train, CrystalLoader(crystals(5), 2, "cpu"), chosen, seed=0)


def outcome(trainer, curve):
    tensors = {**trainer.best_weights, **{f"raw {name}": t for name, t in trainer.generator.state_dict().items()}}
    return {name: tensor.clone() for name, tensor in tensors.items()}, pd.read_csv(curve).drop(columns=TIMES)


@pytest.fixture
def undisturbed(tmp_path):
    trainer = make()
    fit(trainer, TrainingStates(tmp_path / "undisturbed", "stamp"), tmp_path / "undisturbed.csv")
    return outcome(trainer, tmp_path / "undisturbed.csv")


def same(first, second):
    assert first[0].keys() == second[0].keys()
    for name, tensor in first[0].items():
        assert torch.equal(tensor, second[0][name]), name
    pd.testing.assert_frame_equal(first[1], second[1], check_exact=True)


def kill_at(call):
    def hook(generator, terms):
        if generator.calls == call:
            raise Killed
        return terms

    return hook


@pytest.fixture(params=[1, 3])
def steps_between_readings(request, monkeypatch):
    """On a CPU every step is read at once, on a GPU several together."""
    monkeypatch.setattr(trainer_module, "steps_between_readings", lambda device: request.param)


# 4 batches of training in an epoch, 3 of validation (on a copy of the generator, with its own count) every other epoch.
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("call", [1, 5, 8, 14])
def test_killed_and_continued_ends_with_the_same_bits(
    call, every, tmp_path, undisturbed, monkeypatch, steps_between_readings
):
    monkeypatch.setattr(StatesNowAndThen, "every", every)
    states = StatesNowAndThen(tmp_path / "training_state")
    generator = TinyGenerator()
    generator.hook = kill_at(call)
    with pytest.raises(Killed):
        fit(make(generator), states, tmp_path / "curve.csv")
    trainer = make()
    fit(trainer, StatesNowAndThen(tmp_path / "training_state"), tmp_path / "curve.csv")
    same(outcome(trainer, tmp_path / "curve.csv"), undisturbed)


def test_killed_in_a_validation(tmp_path, undisturbed, steps_between_readings):
    trainer = make()
    trainer.average.module.hook = kill_at(2)
    with pytest.raises(Killed):
        fit(trainer, StatesNowAndThen(tmp_path / "training_state"), tmp_path / "curve.csv")
    trainer = make()
    fit(trainer, StatesNowAndThen(tmp_path / "training_state"), tmp_path / "curve.csv")
    same(outcome(trainer, tmp_path / "curve.csv"), undisturbed)


def test_killed_again_and_again_with_the_latest_state_damaged_each_time(tmp_path, undisturbed):
    folder = tmp_path / "training_state"
    for _ in range(5):
        generator = TinyGenerator()
        generator.hook = kill_at(5)
        with pytest.raises(Killed):
            fit(make(generator), StatesNowAndThen(folder), tmp_path / "curve.csv")
        content = (folder / "latest.pt").read_bytes()
        (folder / "latest.pt").write_bytes(content[: len(content) // 2])
    trainer = make()
    fit(trainer, StatesNowAndThen(folder), tmp_path / "curve.csv")
    same(outcome(trainer, tmp_path / "curve.csv"), undisturbed)


def test_another_stamp_starts_anew(tmp_path, undisturbed):
    fit(make(learning_rate=1.0), TrainingStates(tmp_path / "training_state", "other"), tmp_path / "curve.csv")
    trainer = make()
    fit(trainer, TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
    same(outcome(trainer, tmp_path / "curve.csv"), undisturbed)


def test_a_finished_training_is_not_repeated(tmp_path, undisturbed):
    fit(make(), TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
    generator = TinyGenerator()
    trainer = make(generator)
    fit(trainer, TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
    assert generator.calls == 0
    same(outcome(trainer, tmp_path / "curve.csv"), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_saves_its_state_first(number, tmp_path, undisturbed):
    def hook(generator, terms):
        if generator.calls == 6:
            os.kill(os.getpid(), number)
        return terms

    generator = TinyGenerator()
    generator.hook = hook
    handler = signal.getsignal(number)
    with pytest.raises(TrainingError, match=f"stopped by {number.name} after step 6"):
        fit(make(generator), TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
    assert signal.getsignal(number) is handler
    generator, steps = TinyGenerator(), 5 * 4
    trainer = make(generator)
    fit(trainer, TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
    assert generator.calls == steps - 6
    same(outcome(trainer, tmp_path / "curve.csv"), undisturbed)


def test_the_curve_has_one_row_per_epoch(tmp_path):
    fit(make(), TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert list(curve.columns) == [
        *("epoch", "step", "train_loss", "frac_coords", "lattice"),
        *("validation_loss", "learning_rate", "crystals_per_second", "seconds", "skipped"),
    ]
    assert curve["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert curve["validation_loss"].notna().tolist() == [False, True, False, True, True]


def test_a_validation_loss_that_is_never_finite_ends_with_advice(tmp_path):
    trainer = make()
    trainer.average.module.hook = lambda generator, terms: {name: term * float("nan") for name, term in terms.items()}
    with pytest.raises(TrainingError, match=r"never finite: lower training\.learning_rate"):
        fit(trainer, TrainingStates(tmp_path / "training_state", "stamp"), tmp_path / "curve.csv")
