"""The exponential average of the weights along a training."""

import copy
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class WeightAverage(Generic[Module]):
    """A copy of a module whose weights follow it slowly: average ← decay · average + (1 - decay) · weights.

    Attributes:
        module: The averaged copy, in evaluation mode, without gradients.
        decay: 0 makes the average equal to the weights.
        start: Up to this step the average equals the weights.
    """

    def __init__(self, module: Module, decay: float, start: int) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay
        self.start = start
        self._buffers = sorted(dict(self.module.named_buffers()).keys() & self.module.state_dict().keys())

    @torch.no_grad()
    def update(self, module: Module, step: int, taken: Float[Tensor, ""]) -> None:
        """Take in the weights after `step`, and the buffers that belong to the state.

        Args:
            module: The weights now.
            step: Counted from 1.
            taken: 1, or 0 for a step that was skipped, which leaves the average as it is.
        """
        averaged, current = _tensors(self.module.parameters()), _tensors(module.parameters())
        if step <= self.start or self.decay == 0:
            torch._foreach_copy_(averaged, current)
        else:
            change = torch._foreach_sub(current, averaged)
            torch._foreach_mul_(change, (1 - self.decay) * taken)
            torch._foreach_add_(averaged, change)
        own, theirs = dict(self.module.named_buffers()), dict(module.named_buffers())
        for name in self._buffers:
            own[name].copy_(torch.where(taken > 0, theirs[name], own[name]))


def _tensors(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.data for parameter in parameters]
