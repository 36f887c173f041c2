"""What the steps of a training came to, read from the device now and then, so that no step waits for it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

STEPS_BETWEEN_READINGS = 16


@dataclass(frozen=True)
class StepRecord:
    """One step.

    Attributes:
        step: Counted from 1.
        crystals: Of its batch.
        terms: The mean of every term of the loss; None if the step was skipped.
        seconds: How long it took, on average over the steps that were read together.
    """

    step: int
    crystals: int
    terms: dict[str, float] | None
    seconds: float


class StepRecords:
    """The steps that the host knows nothing of yet.

    The first steps are read at once, later ones ever more of them together.

    Args:
        most: Steps that are read together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = 1
        self._unread: list[tuple[int, int, Tensor]] = []
        self._names: list[str] = []
        self._start = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to read."""
        return len(self._unread) >= self._limit

    def begin(self) -> None:
        """A step begins."""
        if not self._unread:
            self._start = time.perf_counter()

    def add(self, step: int, crystals: int, terms: Mapping[str, Tensor], taken: Float[Tensor, ""]) -> None:
        """A step has been asked for, and will leave these numbers; `taken` is 0 if it is skipped."""
        self._names = list(terms)
        values = torch.stack([*terms.values(), taken])
        self._unread.append((step, crystals, values))

    def read(self) -> list[StepRecord]:
        """Wait for the device, and tell what the steps since the last reading came to."""
        if not self._unread:
            return []
        rows = torch.stack([values for _, _, values in self._unread]).tolist()
        seconds = (time.perf_counter() - self._start) / len(rows)
        read = [
            StepRecord(step, crystals, dict(zip(self._names, values, strict=True)) if taken else None, seconds)
            for (step, crystals, _), (*values, taken) in zip(self._unread, rows, strict=True)
        ]
        self._limit = min(2 * self._limit, self._most)
        self._unread = []
        return read


def steps_between_readings(device: torch.device) -> int:
    """A GPU works ahead of its host; a CPU is its own host."""
    return 1 if device.type == "cpu" else STEPS_BETWEEN_READINGS
