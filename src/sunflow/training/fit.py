"""A training from its last state to its end, killed at any moment or not."""

import logging
from pathlib import Path

from sunflow.training.interruption import Interruption
from sunflow.training.pace import Pace
from sunflow.training.states import TrainingStates
from sunflow.training.trainer import Trainer, TrainingError

logger = logging.getLogger(__name__)


def fit(trainer: Trainer, states: TrainingStates, curve: Path) -> None:
    """Train to the end, continuing from the last state, and write the curve after every epoch.

    Raises:
        TrainingError: The training diverged, or was asked to stop; the state is saved in the latter case.
    """
    if (state := states.load()) is not None:
        trainer.load_state_dict(state)
        logger.info("continuing after epoch %d, step %d", trainer.epoch, trainer.step)
    pace = Pace(trainer.settings.epochs, len(trainer.train), trainer.step, trainer.device.type)

    def pause() -> None:
        if interruption.signal:
            states.save(trainer.state_dict())
            raise TrainingError(
                f"stopped by {interruption.signal} after step {trainer.step}; the same command will continue from there"
            )
        if states.due:
            states.save(trainer.state_dict())

    with Interruption() as interruption:
        while not trainer.finished:
            for crystals in trainer.remaining_batches():
                seconds = trainer.train_on(crystals)
                pace.step(len(crystals), seconds, f"validation loss {trainer.validation_loss:.4g}")
                pause()
            trainer.end_epoch(pause)
            trainer.curve.write(curve)
            pause()
        states.save(trainer.state_dict())
    pace.close()
    if not trainer.best_weights:
        raise TrainingError("the validation loss was never finite: lower training.learning_rate")
