"""One training, step by step, whose whole state can be put away and taken up again."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from sunflow.crystals.loader import CrystalLoader, Share
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Generator
from sunflow.training.averaging import WeightAverage
from sunflow.training.curve import Curve
from sunflow.training.descent import Descent, mean_terms
from sunflow.training.outcome import Outcome
from sunflow.training.parallel import ALONE, Alone
from sunflow.training.precision import Precision
from sunflow.training.records import StepRecord, StepRecords, steps_between_readings
from sunflow.training.seeds import stream_seed
from sunflow.training.settings import TrainingSettings

logger = logging.getLogger(__name__)
MAX_SKIPPED_IN_A_ROW = 50
_COUNTERS = (
    "epoch",
    "position",
    "step",
    "skipped_in_a_row",
    "validation_loss",
    "best_validation_loss",
    "best_epoch",
)


class TrainingError(Exception):
    """A training that cannot go on, and why."""


class Trainer:
    """One training: weights, their average, the optimiser and how far they have come.

    Several processes train together by having a trainer each: with the same weights at the start and their own shares
    of the same batches, they all end with the weights that one process would find with the whole batches.

    The noise of a step depends on (seed, step) alone and the order of an epoch's crystals on (seed, epoch), so a
    training that continues from `state_dict` takes the same steps as one that was never interrupted.

    Attributes:
        epoch: Epochs that are done.
        position: Batches of the running epoch that are done.
        step: Batches since the start, skipped ones included.
        validation_loss: The latest.
        best_weights: The averaged weights of the lowest validation loss, on the CPU.
        on_step: Called with every step, once the host knows what it came to.
    """

    def __init__(
        self,
        generator: Generator,
        train: CrystalLoader,
        val: CrystalLoader,
        settings: TrainingSettings,
        seed: int,
        processes: Alone = ALONE,
    ) -> None:
        self.generator = generator
        self.train = train
        self.val = val
        self.settings = settings
        self.seed = seed
        self.processes = processes
        self.device = next(generator.parameters()).device
        self.average = WeightAverage(generator, settings.averaging_decay, settings.averaging_start)
        self.precision = Precision(settings.precision, self.device)
        self.descent = Descent(generator, settings, self.precision, processes)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.descent.optimizer,
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            min_lr=settings.min_learning_rate,
        )
        self.curve = Curve()
        self.records = StepRecords(steps_between_readings(self.device))
        self.on_step: Callable[[StepRecord], None] = lambda record: None
        self.epoch = self.position = self.step = self.skipped_in_a_row = 0
        self.validation_loss = self.best_validation_loss = math.inf
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the validation loss has not fallen for too long."""
        patience = self.settings.early_stopping
        return self.epoch >= self.settings.epochs or (
            patience is not None and self.epoch - self.best_epoch >= patience and self._validated(self.epoch)
        )

    @property
    def outcome(self) -> Outcome:
        """What it has come to."""
        return Outcome(self.best_weights, self.curve, self.epoch, self.best_epoch, self.best_validation_loss)

    def _validated(self, epoch: int) -> bool:
        return epoch > 0 and (epoch % self.settings.validate_every == 0 or epoch == self.settings.epochs)

    def remaining_batches(self) -> Iterator[Share]:
        """This process's share of the batches of the running epoch that are still to come."""
        return self.train.epoch(self.epoch + 1, first=self.position)

    def train_on(self, share: Share) -> bool:
        """Take one step; a batch with a non-finite loss or gradient changes nothing.

        Returns:
            Whether the device has been waited for, so that this is a good moment to pause.

        Raises:
            TrainingError: Too many batches in a row had to be skipped.
        """
        self.records.begin()
        self.step += 1
        self.position += 1
        self.generator.train()
        noise = self._noise("training noise", self.step, share)
        with self.precision.autocast():
            terms = mean_terms(self.generator.loss(share.crystals, noise), share.weight, self.processes)
        values, taken = self.descent.step(terms)
        self.average.update(self.generator, self.step, taken)
        self.records.add(self.step, share.batch_size, values, taken)
        if pause := self.records.due or self.position == len(self.train):
            self.read_records()
        return pause

    def read_records(self) -> None:
        """Wait for the device and take note of the steps that it has taken.

        Raises:
            TrainingError: Too many batches in a row had to be skipped.
        """
        for record in self.records.read():
            self.curve.add_batch(record.terms, record.crystals, record.seconds)
            self.skipped_in_a_row = 0 if record.terms is not None else self.skipped_in_a_row + 1
            if self.skipped_in_a_row:
                self._warn_of_skipped(record.step)
            self.on_step(record)

    def _warn_of_skipped(self, step: int) -> None:
        logger.warning("step %d skipped: its loss or gradient is not finite", step)
        if self.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise TrainingError(
                f"{MAX_SKIPPED_IN_A_ROW} batches in a row, steps {step - self.skipped_in_a_row + 1} to {step}, had a "
                "loss or gradient that is not finite: the training has diverged. Lower training.learning_rate or "
                "training.max_gradient_norm, or set training.precision to float32"
            )

    def end_epoch(self, pause: Callable[[], None]) -> None:
        """Validate if it is time, adapt the learning rate, and count the epoch; `pause` is called now and then."""
        self.read_records()
        start = time.perf_counter()
        learning_rate = self.descent.optimizer.param_groups[0]["lr"]
        validated = self._validated(self.epoch + 1)
        if validated:
            self.validation_loss = self.validate(pause)
        self.epoch += 1
        self.position = 0
        if self.validation_loss < self.best_validation_loss:
            self.best_validation_loss, self.best_epoch = self.validation_loss, self.epoch
            self.best_weights = {name: value.cpu().clone() for name, value in self.average.module.state_dict().items()}
        if self.epoch >= self.settings.validate_every:
            self.schedule.step(self.validation_loss)
        seconds = time.perf_counter() - start
        self.curve.end_epoch(self.epoch, self.step, self.validation_loss if validated else None, learning_rate, seconds)

    @torch.no_grad()
    def validate(self, pause: Callable[[], None] = lambda: None) -> float:
        """Mean loss of the averaged weights over the validation crystals, under noise that is always the same."""
        sums, counts, sizes = [], [], []
        for index, share in enumerate(self.val.epoch(0)):
            noise = self._noise("validation noise", index, share)
            with self.precision.autocast():
                terms = self.average.module.loss(share.crystals, noise)
            sums.append(torch.stack([share.weight * rows.double().sum() for rows in terms.values()]))
            counts.append([share.weight * len(rows) for rows in terms.values()])
            sizes.append(share.batch_size)
            if (index + 1) % steps_between_readings(self.device) == 0:
                pause()
        total, rows = torch.stack(sums).cpu(), torch.tensor(counts, dtype=torch.float64)
        self.processes.sum_([total, rows])
        return float((total / rows).sum(-1) @ torch.tensor(sizes, dtype=torch.float64)) / self.val.num_crystals

    def _noise(self, purpose: str, index: int, share: Share) -> CrystalNoise:
        """The noise of one batch, a stream for every place in it."""
        return CrystalNoise.of_batch(stream_seed(self.seed, purpose, index), share.places)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a continuation needs, in types that `torch.load(weights_only=True)` accepts."""
        self.read_records()
        return {
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
            "counters": {name: getattr(self, name) for name in _COUNTERS},
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` gave."""
        for name, part in self._parts().items():
            part.load_state_dict(state["parts"][name])
        for name in _COUNTERS:
            setattr(self, name, state["counters"][name])
        self.best_weights = state["best_weights"]

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "average": self.average.module,
            "optimizer": self.descent.optimizer,
            "schedule": self.schedule,
            "scaler": self.precision.scaler,
            "curve": self.curve,
        }
