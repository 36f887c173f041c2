"""What a training comes to."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sunflow.training.curve import Curve


@dataclass(frozen=True)
class Outcome:
    """The weights that a generator is left with, and how they were found; the defaults are those of no training."""

    weights: dict[str, Tensor]
    curve: Curve = field(default_factory=Curve)
    epochs_trained: int = 0
    best_epoch: int = 0
    best_validation_loss: float | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        """How the training ended."""
        return {name: getattr(self, name) for name in ("epochs_trained", "best_epoch", "best_validation_loss")}
