"""How fast a training goes, and how long it will take."""

import logging
import statistics
import sys
import time

from tqdm import tqdm

logger = logging.getLogger(__name__)
STEPS_BEFORE_ESTIMATE = 20
WARM_UP_STEPS = 3
SECONDS_BETWEEN_LINES = 30.0
DAY = 86400.0


class Pace:
    """Shows the progress of a training: a bar on a terminal, a line of log now and then elsewhere."""

    def __init__(self, epochs: int, steps_per_epoch: int, done: int, device: str, shown: bool = True) -> None:
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.done = done
        self.device = device
        self._durations: list[float] = []
        self._crystals = 0
        self._start = self._line_at = time.monotonic()
        self._bar = tqdm(
            total=epochs * steps_per_epoch,
            initial=done,
            desc="training",
            unit=" steps",
            dynamic_ncols=True,
            disable=not (shown and sys.stderr.isatty()),
        )

    def step(self, crystals: int, seconds: float, losses: str) -> None:
        """One step with so many crystals took so long; `losses` says how well the training does."""
        self.done += 1
        self._crystals += crystals
        self._durations.append(seconds)
        if len(self._durations) == STEPS_BEFORE_ESTIMATE:
            self._log_estimate(statistics.median(self._durations[WARM_UP_STEPS:]))
        self._show(losses)

    def _show(self, losses: str) -> None:
        now = time.monotonic()
        rate = self._crystals / max(now - self._start, 1e-9)
        self._bar.set_postfix_str(f"{losses}, {rate:.3g} crystals/s", refresh=False)
        self._bar.update()
        if self._bar.disable and now - self._line_at >= SECONDS_BETWEEN_LINES:
            self._line_at = now
            left = (now - self._start) / len(self._durations) * (self.epochs * self.steps_per_epoch - self.done)
            epoch = min(self.done // self.steps_per_epoch + 1, self.epochs)
            logger.info(
                "epoch %d of %d: %s, %.3g crystals/s, %s left", epoch, self.epochs, losses, rate, duration_text(left)
            )

    def _log_estimate(self, seconds_per_step: float) -> None:
        total = self.epochs * self.steps_per_epoch * seconds_per_step
        logger.info(
            "%d epochs × %d steps at %.2g s: about %s on %s",
            self.epochs,
            self.steps_per_epoch,
            seconds_per_step,
            duration_text(total),
            self.device,
        )
        if self.device == "cpu" and total > DAY:
            logger.warning(
                "No GPU was found: this training will take about %.0f days on this computer's processor. Run it on a "
                "computer with a GPU, or lower training.epochs, model.hidden_dim or model.num_layers in config.yaml",
                total / DAY,
            )

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


def duration_text(seconds: float) -> str:
    """A duration for people: 42 s, 3.1 minutes, 13.7 hours, 2.4 days."""
    for unit, length in (("days", DAY), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length or (unit == "minutes" and seconds >= length):
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
