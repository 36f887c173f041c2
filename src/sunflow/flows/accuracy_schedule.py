"""Accuracies of the sender of a von Mises flow, one per step."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sunflow.flows.linear_entropy import flow_exact_accuracies, official_accuracies, universal_accuracies


def accuracy_schedule(kind: str, num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """The accuracies of all steps, in double precision.

    Args:
        kind: A key of `SCHEDULES`.
        num_steps: How many observations there are.
        final_accuracy: Concentration of the belief after all of them, β₁.

    Raises:
        ValueError: An argument is unknown or out of range.
    """
    if kind not in SCHEDULES:
        raise ValueError(f"{kind!r} is no accuracy schedule: known are {', '.join(SCHEDULES)}")
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}, but must be at least 1")
    if not 1 <= final_accuracy <= 1e5:
        raise ValueError(f"final_accuracy is {final_accuracy}, but must lie between 1 and 100000")
    return SCHEDULES[kind](num_steps, final_accuracy)


def hand_accuracies(num_steps: int, final_accuracy: float) -> Float[Tensor, " steps"]:
    """Increments of β(t) = t β₁^t, as if accuracies added: the ablation of the paper."""
    time = torch.arange(num_steps + 1).double() / num_steps
    return (time * final_accuracy**time).diff()


SCHEDULES: dict[str, Callable[[int, float], Float[Tensor, " steps"]]] = {
    "official": official_accuracies,
    "flow_exact": flow_exact_accuracies,
    "universal": universal_accuracies,
    "hand": hand_accuracies,
}
