"""A training from its last state to its end, killed at any moment or not."""

import logging
from functools import partial
from pathlib import Path
from signal import Signals

from sunflow.training.interruption import Interruption
from sunflow.training.pace import Pace
from sunflow.training.states import TrainingStates
from sunflow.training.trainer import Trainer, TrainingError

logger = logging.getLogger(__name__)


def fit(trainer: Trainer, states: TrainingStates, curve: Path) -> None:
    """Train to the end, continuing from the last state, and write the curve after every epoch.

    All processes read the last state and pause together; the first one writes.

    Raises:
        TrainingError: The training diverged, or was asked to stop; the state is saved in the latter case.
    """
    _resume(trainer, states)
    first = trainer.processes.first
    pace = Pace(trainer.settings.epochs, len(trainer.train), trainer.step, trainer.device.type, shown=first)
    trainer.on_step = lambda step: pace.step(
        step.crystals, step.seconds, f"validation loss {trainer.validation_loss:.4g}"
    )
    with Interruption() as interruption:
        pause = partial(_pause, trainer, states, interruption)
        while not trainer.finished:
            for share in trainer.remaining_batches():
                if trainer.train_on(share):
                    pause()
            trainer.end_epoch(pause)
            if first:
                trainer.curve.write(curve)
            pause()
        _save(trainer, states)
    pace.close()
    if not trainer.best_weights:
        raise TrainingError("the validation loss was never finite: lower training.learning_rate")


def _resume(trainer: Trainer, states: TrainingStates) -> None:
    if (state := states.load()) is not None:
        trainer.load_state_dict(state)
        logger.info("continuing after epoch %d, step %d", trainer.epoch, trainer.step)
    if trainer.processes.largest(trainer.step) != -trainer.processes.largest(-trainer.step):
        raise TrainingError(f"the processes read different states: {states.folder} must be one folder for all of them")


def _pause(trainer: Trainer, states: TrainingStates, interruption: Interruption) -> None:
    """Stop if any process was asked to, and save the state if it is time."""
    if number := trainer.processes.largest(interruption.signal):
        _save(trainer, states)
        raise TrainingError(
            f"stopped by {Signals(number).name} after step {trainer.step}; the same command will continue from there"
        )
    if trainer.processes.largest(trainer.processes.first and states.due):
        _save(trainer, states)


def _save(trainer: Trainer, states: TrainingStates) -> None:
    """The first process writes the state, and the others wait: if one ended now, `torchrun` would end the first."""
    if trainer.processes.first:
        states.save(trainer.state_dict())
    trainer.processes.wait()
