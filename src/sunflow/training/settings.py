"""What a training is told: the `training` section of a generator's configuration."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the defaults are CrysBFN's for MP-20, with the paper's plateau schedule.

    Attributes:
        epochs: Passes over the train split.
        batch_size: Crystals of one step; where several processes train together, of every process.
        learning_rate: AdamW's, at the start.
        weight_decay: AdamW's; 0 in CrysBFN.
        plateau_factor: The learning rate is multiplied by this when the validation loss stops falling, ...
        plateau_patience: ... that is, after more than so many epochs without a new minimum.
        min_learning_rate: The learning rate never falls below this.
        averaging_decay: Per step, of the exponential average of the weights; 0 uses the weights as they are.
        averaging_start: The average starts after so many steps; until then it follows the weights.
        max_gradient_norm: Longer gradients are shortened to this; null leaves them as they are.
        validate_every: Epochs between validations.
        early_stopping: Epochs without a new minimum of the validation loss after which to stop; null never stops.
        precision: `auto` takes bfloat16 (or float16) for the network on a GPU, `float32` never does.
    """

    epochs: int = 1500
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    plateau_factor: float = 0.6
    plateau_patience: int = 100
    min_learning_rate: float = 1e-4
    averaging_decay: float = 0.995
    averaging_start: int = 1500
    max_gradient_norm: float | None = 1.0
    validate_every: int = 8
    early_stopping: int | None = None
    precision: Literal["auto", "float32"] = "auto"

    def __post_init__(self) -> None:
        allowed = {
            "epochs": (1, math.inf),
            "batch_size": (1, math.inf),
            "learning_rate": (0, math.inf),
            "weight_decay": (0, math.inf),
            "plateau_factor": (0, 1),
            "plateau_patience": (0, math.inf),
            "min_learning_rate": (0, math.inf),
            "averaging_decay": (0, 1),
            "averaging_start": (0, math.inf),
            "max_gradient_norm": (0, math.inf),
            "validate_every": (1, math.inf),
            "early_stopping": (1, math.inf),
        }
        for name, (low, high) in allowed.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"training.{name} is {value}, but must lie between {low} and {high}")
        if self.precision not in ("auto", "float32"):
            raise ValueError(f"training.precision is {self.precision!r}, but must be auto or float32")

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "TrainingSettings":
        """The settings of a configuration's section.

        Raises:
            ValueError: A key is unknown, or a value is out of range.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ValueError(f"training.{unknown[0]} is no setting of a training; known are {', '.join(known)}")
        return cls(**settings)
