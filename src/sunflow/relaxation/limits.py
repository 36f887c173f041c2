"""How crystals are relaxed, and when a relaxation ends."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """How far and in which way a crystal is relaxed.

    Attributes:
        max_force: eV/Å, for the force on every atom and the cell's gradient per atom, as ASE's filters scale it.
        max_steps: Steps of the optimiser.
        timeout: Seconds of the evaluator's time that one crystal may take.
        optimizer: `lbfgs`, or `fire` as in the papers.
        overlaps: What is done with overlapping atoms: the crystal fails, or they are pushed apart first.
        trajectory_interval: Steps between two frames that are kept; None keeps none.
    """

    max_force: float = 0.02
    max_steps: int = 500
    timeout: float = 600.0
    optimizer: Literal["lbfgs", "fire"] = "lbfgs"
    overlaps: Literal["fail", "push_apart"] = "fail"
    trajectory_interval: int | None = None
