"""FIRE, the fast inertial relaxation engine (Bitzek et al., Phys. Rev. Lett. 97, 170201, 2006)."""

import torch
from jaxtyping import Float64
from torch import Tensor

from sunflow.relaxation.optimizer import Memory, Slope

MIXING, MIXING_DECAY = 0.1, 0.99
SPEED_UP, SLOW_DOWN = 1.1, 0.5
DOWNHILL_BEFORE_SPEED_UP = 5
MAX_TIME_STEP = 1.0


class FIRE:
    """The constants are ASE's.

    Args:
        time_step: At the start.
        max_step: Å, for the whole step of a crystal.
    """

    def __init__(self, time_step: float = 0.1, max_step: float = 0.2) -> None:
        self.time_step, self.max_step = time_step, max_step

    def start(self, num_rows: int, num_crystals: int, device: torch.device) -> Memory:
        """At rest."""
        velocity = torch.zeros(num_rows, 3, dtype=torch.float64, device=device)
        zero = torch.zeros(num_crystals, dtype=torch.float64, device=device)
        return Memory(
            {"velocity": velocity}, {"time_step": zero + self.time_step, "mixing": zero + MIXING, "downhill": zero}
        )

    def step(self, memory: Memory, slope: Slope) -> tuple[Float64[Tensor, "rows 3"], Memory]:
        """Steer along the forces and gather speed; stop where the way leads uphill."""
        velocity, forces = memory.rows["velocity"], slope.forces
        time_step, mixing, downhill = (memory.crystals[name] for name in ("time_step", "mixing", "downhill"))
        speed = slope.dot(velocity, velocity).sqrt()
        force = slope.dot(forces, forces).sqrt()
        goes_down = slope.dot(forces, velocity) > 0
        velocity = slope.scaled(1 - mixing, velocity) + slope.scaled(mixing * speed / force.clamp(min=1e-300), forces)
        velocity = slope.scaled(goes_down.double(), velocity)
        hurries = goes_down & (downhill > DOWNHILL_BEFORE_SPEED_UP)
        time_step = torch.where(hurries, (time_step * SPEED_UP).clamp(max=MAX_TIME_STEP), time_step)
        time_step = torch.where((speed > 0) & ~goes_down, time_step * SLOW_DOWN, time_step)
        mixing = torch.where(goes_down, torch.where(hurries, mixing * MIXING_DECAY, mixing), MIXING)
        downhill = torch.where(goes_down, downhill + 1, 0.0)
        velocity = velocity + slope.scaled(time_step, forces)
        step = slope.scaled(time_step, velocity)
        length = slope.dot(step, step).sqrt()
        step = slope.scaled((self.max_step / length.clamp(min=1e-300)).clamp(max=1.0), step)
        return step, Memory({"velocity": velocity}, {"time_step": time_step, "mixing": mixing, "downhill": downhill})
