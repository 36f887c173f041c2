"""One training, step by step, whose whole state can be put away and taken up again."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.loader import CrystalLoader
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Generator
from sunflow.training.averaging import WeightAverage
from sunflow.training.curve import Curve
from sunflow.training.precision import Precision
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

    The noise of a step depends on (seed, step) alone and the order of an epoch's crystals on (seed, epoch), so a
    training that continues from `state_dict` takes the same steps as one that was never interrupted.

    Attributes:
        epoch: Epochs that are done.
        position: Batches of the running epoch that are done.
        step: Batches since the start, skipped ones included.
        validation_loss: The latest.
        best_weights: The averaged weights of the lowest validation loss, on the CPU.
    """

    def __init__(
        self, generator: Generator, train: CrystalLoader, val: CrystalLoader, settings: TrainingSettings, seed: int
    ) -> None:
        self.generator = generator
        self.train = train
        self.val = val
        self.settings = settings
        self.seed = seed
        self.device = next(generator.parameters()).device
        self.average = WeightAverage(generator, settings.averaging_decay, settings.averaging_start)
        self.precision = Precision(settings.precision, self.device)
        self.optimizer = torch.optim.AdamW(
            generator.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer,
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            min_lr=settings.min_learning_rate,
        )
        self.curve = Curve()
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

    def _validated(self, epoch: int) -> bool:
        return epoch > 0 and (epoch % self.settings.validate_every == 0 or epoch == self.settings.epochs)

    def remaining_batches(self) -> Iterator[CrystalBatch]:
        """The batches of the running epoch that are still to come."""
        return self.train.epoch(self.epoch + 1, first=self.position)

    def train_on(self, crystals: CrystalBatch) -> float:
        """Take one step and return its seconds; a batch with a non-finite loss or gradient changes nothing.

        Raises:
            TrainingError: Too many batches in a row had to be skipped.
        """
        start = time.perf_counter()
        self.step += 1
        self.position += 1
        terms = self._descend(crystals)
        if terms is None:
            self._count_skipped()
        else:
            self.skipped_in_a_row = 0
            self.average.update(self.generator, self.step)
        seconds = time.perf_counter() - start
        self.curve.add_batch(terms, len(crystals), seconds)
        return seconds

    def _descend(self, crystals: CrystalBatch) -> dict[str, float] | None:
        """One step of the optimiser; None if the loss or its gradient is not finite."""
        self.generator.train()
        noise = self._noise("training noise", self.step, crystals)
        with self.precision.autocast():
            terms = mean_terms(self.generator.loss(crystals, noise))
            loss = torch.stack(list(terms.values())).sum()
        scaler = self.precision.scaler
        scaler.scale(loss).backward()
        scaler.unscale_(self.optimizer)
        norm = clip_grad_norm_(self.generator.parameters(), self.settings.max_gradient_norm or math.inf)
        values = torch.stack([*(term.detach().float() for term in terms.values()), norm]).tolist()
        finite = all(map(math.isfinite, values))
        if finite:
            scaler.step(self.optimizer)
        scaler.update()
        self.optimizer.zero_grad()
        return dict(zip(terms, values, strict=False)) if finite else None

    def _count_skipped(self) -> None:
        self.skipped_in_a_row += 1
        logger.warning("step %d skipped: its loss or gradient is not finite", self.step)
        if self.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise TrainingError(
                f"{MAX_SKIPPED_IN_A_ROW} batches in a row, up to step {self.step}, had a loss or gradient that is not "
                "finite: the training has diverged. Lower training.learning_rate or training.max_gradient_norm, or set "
                "training.precision to float32"
            )

    def end_epoch(self, pause: Callable[[], None]) -> None:
        """Validate if it is time, adapt the learning rate, and count the epoch; `pause` is called between batches."""
        start = time.perf_counter()
        learning_rate = self.optimizer.param_groups[0]["lr"]
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
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        for index, crystals in enumerate(self.val.epoch(0)):
            noise = self._noise("validation noise", index, crystals)
            with self.precision.autocast():
                terms = mean_terms(self.average.module.loss(crystals, noise))
            total += sum(term.double() for term in terms.values()) * len(crystals)
            pause()
        return float(total) / self.val.num_crystals

    def _noise(self, purpose: str, index: int, crystals: CrystalBatch) -> CrystalNoise:
        """The noise of one batch, a stream for every place in it."""
        return CrystalNoise.of_batch(
            stream_seed(self.seed, purpose, index), torch.arange(len(crystals), device=self.device)
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that a continuation needs, in types that `torch.load(weights_only=True)` accepts."""
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
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "scaler": self.precision.scaler,
            "curve": self.curve,
        }


def mean_terms(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every term of a loss, averaged over its rows."""
    return {name: rows.mean() for name, rows in terms.items()}
