"""Limited-memory BFGS (Liu and Nocedal, Mathematical Programming 45, 503, 1989), with a trust radius."""

import torch
from jaxtyping import Float64
from torch import Tensor

from sunflow.relaxation.optimizer import Memory, Slope, longest_row

STIFFNESS = 70.0
"""eV/Å²; the inverse Hessian that nothing is known of yet, as in ASE."""
MAX_COMPLIANCE = 0.5
"""Å²/eV; the softest direction that is believed."""
MIN_RADIUS = 0.01
"""Å."""
RADIUS_GROWTH, RADIUS_SHRINKAGE = 1.2, 0.5
NOISE = 1e-6
"""eV; a rise of the energy by less is rounding."""


class LBFGS:
    """No step is longer than a trust radius, which shrinks and forgets the past when the energy has risen.

    Args:
        max_step: Å, for any row; the largest radius.
        num_remembered: Steps remembered.
    """

    def __init__(self, max_step: float = 0.2, num_remembered: int = 10) -> None:
        self.max_step, self.num_remembered = max_step, num_remembered

    def start(self, num_rows: int, num_crystals: int, device: torch.device) -> Memory:
        """Without a past."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)

        rows = {name: zeros(num_rows, self.num_remembered, 3) for name in ("steps", "changes")}
        rows |= {name: zeros(num_rows, 3) for name in ("step", "forces")}
        crystals = {
            "weights": zeros(num_crystals, self.num_remembered),
            "compliance": zeros(num_crystals) + 1 / STIFFNESS,
            "radius": zeros(num_crystals) + self.max_step,
            "energy": zeros(num_crystals) + torch.inf,
        }
        return Memory(rows, crystals)

    def step(self, memory: Memory, slope: Slope) -> tuple[Float64[Tensor, "rows 3"], Memory]:
        """Down the quadratic model, as far as the radius allows."""
        memory = _learned(memory, slope, self.max_step)
        direction = _newton_direction(memory, slope)
        longest = longest_row(direction, slope)
        step = slope.scaled((memory.crystals["radius"] / longest.clamp(min=1e-300)).clamp(max=1.0), direction)
        return step, Memory({**memory.rows, "step": step, "forces": slope.forces}, memory.crystals)


def _learned(memory: Memory, slope: Slope, max_step: float) -> Memory:
    """The memory with the last step s and the change of the gradient y along it.

    A step with s·y ≤ 0 tells nothing of a minimum, and gets weight 0 in place of 1 / s·y.
    """
    step, change = memory.rows["step"], memory.rows["forces"] - slope.forces
    curvature, square = slope.dot(step, change), slope.dot(change, change)
    convex = curvature > 1e-10 * (square * slope.dot(step, step)).sqrt()
    rose = slope.energies > memory.crystals["energy"] + NOISE
    weight = torch.where(convex, 1 / torch.where(convex, curvature, 1.0), 0.0)
    compliance = torch.where(convex, curvature / square.clamp(min=1e-300), memory.crystals["compliance"])
    radius = memory.crystals["radius"] * torch.where(rose, RADIUS_SHRINKAGE, RADIUS_GROWTH)
    crystals = {
        "weights": torch.where(rose[:, None], 0.0, _appended(memory.crystals["weights"], weight)),
        "compliance": torch.where(rose, 1 / STIFFNESS, compliance).clamp(max=MAX_COMPLIANCE),
        "radius": radius.clamp(MIN_RADIUS, max_step),
        "energy": slope.energies,
    }
    rows = {"steps": _appended(memory.rows["steps"], step), "changes": _appended(memory.rows["changes"], change)}
    return Memory(rows, crystals)


def _appended(values: Tensor, last: Tensor) -> Tensor:
    """Forget the oldest entry of the second axis, and add one at its end."""
    return torch.cat([values[:, 1:], last[:, None]], dim=1)


def _newton_direction(memory: Memory, slope: Slope) -> Float64[Tensor, "rows 3"]:
    """The inverse Hessian times the forces, by the two loops over the remembered steps."""
    steps, changes = memory.rows["steps"].unbind(dim=1), memory.rows["changes"].unbind(dim=1)
    past = list(zip(steps, changes, memory.crystals["weights"].unbind(dim=1), strict=True))
    direction = slope.forces
    shares = []
    for step, change, weight in reversed(past):
        shares.append(weight * slope.dot(step, direction))
        direction = direction - slope.scaled(shares[-1], change)
    direction = slope.scaled(memory.crystals["compliance"], direction)
    for (step, change, weight), share in zip(past, reversed(shares), strict=True):
        direction = direction + slope.scaled(share - weight * slope.dot(change, direction), step)
    return direction
